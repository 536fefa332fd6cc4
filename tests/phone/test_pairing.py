"""How a phone comes to a computer: by its code, and not otherwise; and what it sees when it is shut out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import Guard
from tests.end_to_end.server import Server
from tests.phone.conftest import OpenBrowser
from tests.phone.phone import Phone, words

pytestmark = [pytest.mark.browser, pytest.mark.process]

CODE = re.compile(r"/pair/\?code=([0-9A-Z]{4}-[0-9A-Z]{4})")
DESKTOP = {"viewport": {"width": 1100, "height": 800}, "has_touch": False, "is_mobile": False, "user_agent": None}


@pytest.fixture(autouse=True)
def _strangers_are_refused(guard: Guard) -> None:
    guard.expected += ["status of 401", "status of 403"]


def address_on_screen(server: Server, host: Page) -> str:
    """What the QR code on the computer's own screen leads to."""
    host.goto(f"{server.http}/pair/?address=127.0.0.1:{server.port}")
    expect(host.locator(".choice .qr svg").first).to_be_visible()
    href = host.locator(".choice:has(:checked) .address a").get_attribute("href") or ""
    assert CODE.search(href), href
    return href


def paired(server: Server, page: Page, address: str, name: str, button: str = "Pair") -> Phone:
    """Opens what was scanned, names the phone and presses the one button."""
    page.goto(address)
    page.locator("#name").fill(name)
    page.get_by_role("button", name=button, exact=True).tap()
    page.wait_for_url(f"{server.http}/m/**")
    phone = Phone(page, server.http)
    phone.ready()
    return phone


def device(host: Page, server: Server, name: str) -> str:
    devices = host.request.get(f"{server.http}/api/devices").json()
    return str(next(one["id"] for one in devices if one["name"] == name))


def test_the_whole_way(phone_server: Server, open_browser: OpenBrowser) -> None:
    host = open_browser(**DESKTOP)
    page = open_browser(stranger=True)
    phone = paired(phone_server, page, address_on_screen(phone_server, host), "Anna's phone")
    expect(host.locator("#said")).to_have_text("Paired: Anna's phone")
    assert phone.ask("!say 20") == words(20)
    phone.reload()
    assert phone.text() == words(20), "it stays paired, and finds what it said"
    assert phone.stored() == [("user", "!say 20"), ("assistant", words(20))]


def test_who_is_not_paired_gets_the_connect_page_and_nothing_else(phone_server: Server, open_browser: OpenBrowser) -> None:
    host = open_browser(**DESKTOP)
    paired_one = paired(phone_server, open_browser(stranger=True), address_on_screen(phone_server, host), "has a secret")
    paired_one.ask("my secret")
    stranger = open_browser(stranger=True)
    for path in ("/m/", "/m/#/pages/chat/chat", "/m/#/pages/connect/connect"):
        stranger.goto("about:blank")
        stranger.goto(phone_server.http + path)
        expect(stranger.get_by_label("Pairing code")).to_be_visible()
        expect(stranger.locator(".message, .conversation, .composer textarea")).to_have_count(0)
        assert "secret" not in stranger.content()
    assert stranger.request.get(f"{phone_server.http}/api/conversations").status == 401


def test_the_code_is_typed(phone_server: Server, open_browser: OpenBrowser) -> None:
    host, page = open_browser(**DESKTOP), open_browser(stranger=True)
    code = CODE.search(address_on_screen(phone_server, host))
    assert code
    page.goto(f"{phone_server.http}/m/")
    field = page.get_by_label("Pairing code")
    field.fill(code[1].lower().replace("-", ""))
    page.get_by_role("button", name="Pair", exact=True).tap()
    page.locator("#name").fill("typed it")
    page.get_by_role("button", name="Pair", exact=True).tap()
    page.wait_for_url(f"{phone_server.http}/m/**")
    phone = Phone(page, phone_server.http)
    phone.ready()
    assert phone.ask("hello") == "echo: hello"


def test_in_chinese(phone_server: Server, open_browser: OpenBrowser) -> None:
    host = open_browser(**DESKTOP)
    page = open_browser(stranger=True, locale="zh-CN")
    page.goto(address_on_screen(phone_server, host))
    page.locator("#name").fill("小米")
    page.get_by_role("button", name="配对", exact=True).tap()
    page.wait_for_url(f"{phone_server.http}/m/**")
    phone = Phone(page, phone_server.http, "zh-CN")
    phone.ready()
    assert phone.ask("你好") == "echo: 你好"


def test_shut_out_in_the_middle_of_an_answer(phone_server: Server, open_browser: OpenBrowser) -> None:
    """Its connection ends at once, it is told what to do, and what it wrote is not lost: with a new code of its person all is there again."""
    host = open_browser(**DESKTOP)
    phone = paired(phone_server, open_browser(stranger=True), address_on_screen(phone_server, host), "to be shut out")
    tablet_code = phone.page.request.post(f"{phone_server.http}/api/pairing-codes").json()["code"]
    tablet = paired(phone_server, open_browser(stranger=True), f"{phone_server.http}/pair/?code={tablet_code}", "her tablet")
    phone.ask("hello")
    phone.say("!say 3000")
    phone.streaming("w10 ")
    shut_out = host.request.delete(f"{phone_server.http}/api/devices/{device(host, phone_server, 'to be shut out')}")
    assert shut_out.status == 204
    expect(phone.page.get_by_label("Pairing code")).to_be_visible()
    expect(phone.page.get_by_text("does not know this phone any more")).to_be_visible()
    assert phone.page.request.get(f"{phone_server.http}/api/conversations").status == 401

    tablet.open_drawer()
    tablet.row("hello").first.tap()
    tablet.streaming("w20 ")
    tablet.stop()
    expect(tablet.last).to_contain_text("Stopped.")
    again = tablet.page.request.post(f"{phone_server.http}/api/pairing-codes").json()["code"]
    phone = paired(phone_server, phone.page, f"{phone_server.http}/pair/?code={again}", "back again")
    phone.open_drawer()
    phone.row("hello").first.tap()
    expect(phone.users).to_have_count(2)
    assert phone.text() == tablet.text() == phone.stored()[-1][1]


def test_two_phones_of_one_person_see_the_same_while_it_is_written(phone_server: Server, open_browser: OpenBrowser) -> None:
    host = open_browser(**DESKTOP)
    phone = paired(phone_server, open_browser(stranger=True), address_on_screen(phone_server, host), "phone")
    code = phone.page.request.post(f"{phone_server.http}/api/pairing-codes").json()["code"]
    tablet = paired(phone_server, open_browser(stranger=True), f"{phone_server.http}/pair/?code={code}", "tablet")
    stranger = paired(phone_server, open_browser(stranger=True), address_on_screen(phone_server, host), "somebody else")

    phone.ask("from the phone")
    tablet.open_drawer()
    tablet.row("from the phone").tap()
    expect(tablet.users).to_have_count(1)
    phone.say("!say 200")
    expect(tablet.users).to_have_count(2)
    tablet.streaming("w20 ")
    tablet.stop()
    for one in (phone, tablet):
        expect(one.last).to_contain_text("Stopped.")
        one.finished()
    assert phone.text() == tablet.text() == phone.stored()[-1][1]
    tablet.ask("from the tablet")
    expect(phone.users).to_have_count(3)
    phone.finished()
    assert phone.text() == "echo: from the tablet"
    stranger.open_drawer()
    expect(stranger.drawer.locator(".conversation")).to_have_count(0)
