"""The connect page in a browser: what is wrong with the computer that the page came from, and the code."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import LIMIT_MS, Guard, serious
from tests.end_to_end.phones import pairing_code, submit
from tests.end_to_end.server import Server
from tests.phone.conftest import FreshServer, OpenBrowser, OpenPhone

pytestmark = [pytest.mark.browser, pytest.mark.process]

REFUSED = "status of 401"
"""What Chromium writes by itself when the computer does not know this phone."""


def until(page: Page, expression: str) -> None:
    """The content policy forbids Playwright's own way to wait for an expression."""
    deadline = time.monotonic() + LIMIT_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.05)


def box(page: Page, kind: str) -> None:
    expect(page.locator(f".way-{kind}")).to_be_visible()


def test_a_phone_that_is_not_paired_types_the_code(phone_server: Server, open_browser: OpenBrowser, guard: Guard) -> None:
    guard.expected.append(REFUSED)
    page = open_browser(stranger=True)
    page.goto(f"{phone_server.http}/m/")
    box(page, "code")
    field = page.locator(".code-input input")
    field.fill("")
    field.press_sequentially(pairing_code(phone_server).lower().replace("-", ""))
    expect(field).to_have_value(re.compile(r"^[0-9A-Z]{4}-[0-9A-Z]{4}$"))
    page.get_by_role("button", name="Pair", exact=True).click()
    page.wait_for_url("**/pair/?code=*")
    page.get_by_role("button", name="Pair", exact=True).click()
    page.wait_for_url("**/m/**")
    expect(page.locator(".welcome")).to_be_visible()


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(phone_server: Server, open_browser: OpenBrowser, guard: Guard, locale: str, scheme: str) -> None:
    guard.expected.append(REFUSED)
    page = open_browser(stranger=True, locale=locale, color_scheme=scheme)
    page.goto(f"{phone_server.http}/m/")
    box(page, "code")
    page.locator(".help-title").last.click()
    assert serious(page) == []


def test_what_is_no_address_is_said(phone_server: Server, open_browser: OpenBrowser, guard: Guard) -> None:
    guard.expected.append(REFUSED)
    page = open_browser(stranger=True)
    page.goto(f"{phone_server.http}/m/")
    field = page.locator(".address-input input")
    field.fill("192.168.1")
    field.press("Enter")
    expect(page.locator(".address-why")).to_contain_text("four numbers")
    page.get_by_role("button", name="Clear the address").click()
    expect(field).to_have_value("")
    expect(page.locator(".address-why")).to_have_count(0)


def test_another_computers_page_is_opened(phone_server: Server, fresh: FreshServer, open_browser: OpenBrowser, guard: Guard) -> None:
    guard.expected.append(REFUSED)
    other = fresh()
    page = open_browser(stranger=True)
    page.goto(f"{phone_server.http}/m/")
    page.locator(".address-input input").fill(other.address)
    page.get_by_role("button", name="Connect", exact=True).click()
    page.wait_for_url(f"{other.http}/m/**")
    box(page, "code")


def test_a_computer_that_is_away_is_said_and_comes_back_by_itself(fresh: FreshServer, open_phone: OpenPhone, guard: Guard) -> None:
    guard.expected.append("ERR_CONNECTION_REFUSED")
    server = fresh()
    page = open_phone(server.port).page
    until(page, "performance.getEntriesByType('resource').some((one) => one.name.includes('connect-connect') && one.name.endsWith('.js'))")
    server.kill()
    page.locator(".offline").click()
    expect(page.locator(".way-problem")).to_have_attribute("data-kind", "unreachable")
    expect(page.locator(".way-title")).to_have_text("The computer does not answer.")
    server.start()
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.locator(".way-problem")).to_have_count(0)


def test_a_phone_that_is_shut_out_is_led_here(phone_server: Server, open_browser: OpenBrowser, guard: Guard) -> None:
    guard.expected.append(REFUSED)
    page = open_browser(stranger=True)
    page.goto(f"{phone_server.http}/pair/?code={pairing_code(phone_server)}")
    page.get_by_role("button", name="Pair", exact=True).click()
    page.wait_for_url("**/m/**")
    expect(page.locator(".welcome")).to_be_visible()
    until(page, "localStorage.getItem('llmsite.servers')")
    device = page.evaluate("fetch('/api/me').then((answer) => answer.json()).then((me) => me.device.id)")
    assert submit(phone_server, "/pair/device/", {"device": device, "action": "revoke"}) == 302
    box(page, "code")
    expect(page.locator(".way-code")).to_contain_text("does not know this phone any more")
