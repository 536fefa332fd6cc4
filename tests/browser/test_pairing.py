"""/pair/ as the owner of the computer and as a phone sees it, in a real browser."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.chromium import LIMIT_MS
from tests.end_to_end.phones import STRANGER
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]

CODE = re.compile(r"\?code=([0-9A-Z]{4}-[0-9A-Z]{4})")
OpenBrowser = Callable[..., Page]


@pytest.fixture
def open_browser(browser: Browser) -> Iterator[OpenBrowser]:
    """`open_browser(foreign=True)` is a phone: it comes through a proxy, so it is not this computer. No page fails, none asks another host."""
    contexts: list[BrowserContext] = []
    failures: list[str] = []
    asked: set[str] = set()

    def open_(*, foreign: bool = False, **options: object) -> Page:
        context = browser.new_context(**{"locale": "en", "viewport": {"width": 1100, "height": 800}, **options})  # type: ignore[arg-type]
        contexts.append(context)
        if foreign:
            context.set_extra_http_headers(STRANGER)
        page = context.new_page()
        page.set_default_timeout(LIMIT_MS)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda message: failures.append(message.text) if "Content Security Policy" in message.text else None)
        page.on("request", lambda request: asked.add(request.url.split("/")[2]))
        return page

    yield open_
    for context in contexts:
        context.close()
    assert failures == []
    assert {host.split(":")[0] for host in asked} <= {"127.0.0.1"}, asked


def host_page(server: Server, page: Page) -> Page:
    """This computer's own browser at /pair/, with an address: on loopback alone there is none of its own."""
    page.goto(f"{server.http}/pair/?address=127.0.0.1:{server.port}")
    return page


def code_on(page: Page) -> str:
    found = CODE.search(page.locator(".choice:has(:checked) .address a").get_attribute("href") or "")
    assert found
    return found[1]


def pair(server: Server, page: Page, code: str, name: str) -> None:
    page.goto(f"{server.http}/pair/?code={code}")
    page.get_by_label("What this device is called").fill(name)
    page.get_by_role("button", name="Pair", exact=True).click()
    page.wait_for_url(f"{server.http}/")


def test_the_page_says_who_was_paired_and_shows_a_fresh_code(server: Server, open_browser: OpenBrowser) -> None:
    host, phone = host_page(server, open_browser()), open_browser(foreign=True)
    expect(host.locator(".left")).to_have_text(re.compile(r"For one device, another 9:5\d"))
    first, picture = code_on(host), host.locator(".choice .qr svg").inner_html()
    pair(server, phone, first, "Anna's phone")
    expect(host.locator("#said")).to_have_text("Paired: Anna's phone")
    assert code_on(host) != first
    assert host.locator(".choice .qr svg").inner_html() != picture
    expect(host.locator("#devices")).to_contain_text("Anna's phone")
    expect(host.locator(".left")).to_have_text(re.compile(r"For one device, another 9:5\d"))


def test_a_code_that_grows_old_is_replaced(server: Server, open_browser: OpenBrowser) -> None:
    host = host_page(server, open_browser())
    first = code_on(host)
    with sqlite3.connect(server.data / "llmsite.sqlite3", timeout=20) as database:
        database.execute("UPDATE chat_pairingcode SET expires_at = '2020-01-01 00:00:00' WHERE used_at IS NULL")
    database.close()
    expect(host.locator("#said")).to_contain_text("The code was too old")
    assert code_on(host) != first


def test_devices_are_renamed_and_removed_on_the_page(server: Server, open_browser: OpenBrowser) -> None:
    host, phone = host_page(server, open_browser()), open_browser(foreign=True)
    pair(server, phone, code_on(host), "Ben")
    host.get_by_label("Rename Ben", exact=True).click()
    host.get_by_label("New name of Ben").fill("Ben's old phone")
    host.get_by_role("button", name="Save").click()
    expect(host.locator("#devices")).to_contain_text("Ben's old phone")
    phone.goto(f"{server.http}/pair/")
    expect(phone.get_by_role("heading", level=1)).to_have_text("Paired as Ben's old phone")
    host.get_by_label("Remove Ben's old phone", exact=True).click()
    expect(host.locator("#devices")).to_contain_text("is shut out at once")
    host.get_by_role("button", name="Remove Ben's old phone").click()
    expect(host.get_by_label("Remove Ben's old phone", exact=True)).to_have_count(0)
    expect(phone.get_by_role("heading", level=1)).to_have_text("Not paired")  # the open page notices by itself


def test_a_phone_brings_another_device_and_leaves(server: Server, open_browser: OpenBrowser) -> None:
    host, phone, tablet = host_page(server, open_browser()), open_browser(foreign=True), open_browser(foreign=True)
    pair(server, phone, code_on(host), "Cora")
    phone.goto(f"{server.http}/pair/")
    phone.get_by_role("link", name="Pair another device of mine").click()
    code = code_on(phone)
    pair(server, tablet, code, "Cora's tablet")
    expect(phone.locator("#said")).to_have_text("Paired: Cora's tablet")
    tablet.goto(f"{server.http}/pair/")
    expect(tablet.locator("#devices")).to_contain_text("Cora")
    tablet.locator("#me summary").click()
    tablet.get_by_role("button", name="Unpair", exact=True).click()
    expect(tablet.get_by_role("heading", level=1)).to_have_text("Not paired")
    assert not [cookie for cookie in tablet.context.cookies() if cookie["name"] == "llmsite_device"]
    expect(phone.locator("#devices")).not_to_contain_text("tablet")


def test_a_code_is_typed(server: Server, open_browser: OpenBrowser) -> None:
    host, laptop = host_page(server, open_browser()), open_browser(foreign=True)
    laptop.goto(f"{server.http}/")
    expect(laptop.get_by_role("heading", level=1)).to_have_text("Not paired")
    laptop.get_by_label("Or type the code").fill(code_on(host).lower().replace("-", ""))
    laptop.get_by_label("What this device is called").fill("Laptop")
    laptop.get_by_role("button", name="Pair", exact=True).click()
    laptop.wait_for_url(f"{server.http}/")


def test_the_wifis_code_leaves_no_password_behind(server: Server, open_browser: OpenBrowser) -> None:
    host = host_page(server, open_browser())
    responses: list[str] = []
    host.on("response", lambda response: responses.append(f"{response.url} {response.all_headers()}"))
    host.get_by_text("A code that joins the Wi-Fi").click()
    host.get_by_label("Name of the Wi-Fi or hotspot").fill("Anna's room")
    secret = host.get_by_label("Password", exact=True)
    secret.fill("s3cret-pass")
    hidden = "getComputedStyle(document.getElementById('wifi-password')).webkitTextSecurity"
    assert host.evaluate(hidden) == "disc"
    host.get_by_label("Show it").check()
    assert host.evaluate(hidden) == "none"
    host.get_by_role("button", name="Make the code").click()
    expect(host.get_by_role("img", name="QR code that joins the Wi-Fi Anna's room")).to_be_visible()
    expect(secret).to_have_value("")
    expect(host.locator("#wifi-result")).to_be_focused()
    assert "s3cret" not in host.content()
    assert "s3cret" not in host.url + str(responses)
    assert host.evaluate("JSON.stringify([history.state, {...localStorage}, {...sessionStorage}])") == "[null,{},{}]"
    host.locator("#wifi-password").fill("short")
    host.get_by_role("button", name="Make the code").click()
    expect(host.get_by_role("alert")).to_have_text("A WPA password has 8 to 63 characters.")
    host.get_by_label("Security").select_option("none")
    expect(secret).to_be_hidden()


def test_without_javascript_it_works_too(server: Server, open_browser: OpenBrowser) -> None:
    host = host_page(server, open_browser(java_script_enabled=False))
    expect(host.locator(".left")).to_have_text("For one device, 10 minutes")
    expect(host.locator(".choice .qr svg")).to_be_visible()
    host.get_by_text("A code that joins the Wi-Fi").click()
    host.get_by_label("Name of the Wi-Fi or hotspot").fill("home")
    host.get_by_label("Password", exact=True).fill("s3cret-pass")
    host.get_by_role("button", name="Make the code").click()
    expect(host.get_by_role("img", name="QR code that joins the Wi-Fi home")).to_be_visible()
    assert "s3cret" not in host.url + host.content()


def test_when_the_server_is_gone_the_page_says_so_and_goes_on(fresh: Callable[..., Server], open_browser: OpenBrowser) -> None:
    server = fresh()
    host = host_page(server, open_browser())
    first = code_on(host)
    server.kill()
    expect(host.locator("#said")).to_contain_text("The server does not answer")
    server.start()
    expect(host.locator("#said")).not_to_contain_text("The server does not answer")
    assert code_on(host) == first, "it is still good"


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1100])
def test_nothing_is_cut_off(server: Server, open_browser: OpenBrowser, locale: str, scheme: Literal["light", "dark"], width: int) -> None:
    """On small screens, in both themes and languages, with everything opened."""
    host = host_page(server, open_browser(locale=locale, color_scheme=scheme, viewport={"width": width, "height": 740}))
    for page, path in ((host, None), (open_browser(foreign=True, locale=locale, viewport={"width": width, "height": 740}), "/pair/")):
        if path:
            page.goto(server.http + path)
        page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("html").get_attribute("lang") == ("zh-Hans" if locale == "zh-CN" else "en")
        found = [violation for violation in Axe().run(page).response["violations"] if violation["impact"] in ("serious", "critical")]
        assert not found, [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in found]
        for control in page.locator("button:visible, .button:visible, input:not([type=hidden]):visible").all():
            box = control.bounding_box()
            assert box
            assert box["height"] >= (18 if control.get_attribute("type") in ("radio", "checkbox") else 32), control.evaluate("e => e.outerHTML")
        for field in page.locator("input:not([type=hidden])").all():
            assert field.evaluate("e => e.labels.length || e.ariaLabel"), field.evaluate("e => e.outerHTML")


def test_when_the_addresses_change_the_open_page_shows_the_new_code(server: Server, open_browser: OpenBrowser) -> None:
    """That the server notices is tested where addresses can be changed: between network namespaces."""
    host = host_page(server, open_browser())
    first = code_on(host)
    changed = []

    def change(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(json=answer.json() | ({} if changed else {"places": "elsewhere"}))
        changed.append(True)

    host.route("**/pair/now/**", change)
    expect(host.locator("#said")).to_contain_text("The addresses have changed")
    assert code_on(host) != first
