"""The whole way with the model that comes along: phones are paired, chat, and see what is theirs, in both themes and languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chat import Chat
from tests.browser.conftest import OpenPage
from tests.chromium import serious
from tests.end_to_end.phones import STRANGER
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]

SIZES: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    "desktop": {"viewport": {"width": 1280, "height": 800}},
}
ASKED = {"en": "Hello, who are you?", "zh-CN": "你好，你是谁？"}


@pytest.fixture(scope="module")
def embedded(folder: Path) -> Iterator[Server]:
    running = Server("uvicorn", folder / "embedded", model="micromind").start()
    try:
        yield running
        running.check_log()
    finally:
        running.kill()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_first_conversation(embedded: Server, open_page: OpenPage, size: str, scheme: str, locale: str) -> None:
    """Nothing serious for axe on the first screen, under an answer, in the list and in the settings; nothing wider than the screen."""
    chat = open_page(embedded.port, locale=locale, color_scheme=scheme, **SIZES[size])
    assert serious(chat.page) == []
    press(chat.page, chat.page.locator(".suggestion").first)
    chat.finished()
    assert "MicroMind" in chat.text()
    assert chat.said() == [ASKED[locale]]
    assert serious(chat.page) == []
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["viewport"]["width"]
    expect(chat.page).to_have_title(f"{ASKED[locale]} · llmsite")
    if size == "phone":
        press(chat.page, chat.page.locator("#menu"))
    expect(chat.page.locator(".conversation[aria-current]")).to_contain_text(ASKED[locale])
    assert serious(chat.page) == []
    chat.page.keyboard.press("Escape")
    press(chat.page, chat.page.locator("#open-settings"))
    expect(chat.page.locator("dialog[open]")).to_be_visible()
    assert serious(chat.page) == []
    for name, held in (("persona", "Teacher"), ("appearance", "中文"), ("data", "JSON")):
        press(chat.page, chat.page.locator(f"#settings-tab-{name}"))
        expect(chat.page.locator(f"#settings-page-{name}").get_by_text(held).first).to_be_visible()
        assert serious(chat.page) == []


def press(page: Page, target: Any) -> None:
    target.tap() if page.evaluate("matchMedia('(pointer: coarse)').matches") else target.click()


class Phones:
    """Browsers that are not this computer's own. No page fails, none asks another host."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.browser, self.server = browser, server
        self.contexts: list[BrowserContext] = []
        self.failures: list[str] = []
        self.hosts: set[str | None] = set()

    def page(self, *, foreign: bool = True) -> Page:
        context = self.browser.new_context(locale="en", **SIZES["phone" if foreign else "desktop"])
        self.contexts.append(context)
        if foreign:
            context.set_extra_http_headers(STRANGER)
        page = context.new_page()
        page.on("pageerror", lambda error: self.failures.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).hostname))
        return page

    def paired(self, code: str, name: str) -> Chat:
        page = self.page()
        page.goto(f"{self.server.http}/pair/?code={code}")
        page.get_by_label("What this device is called").fill(name)
        page.get_by_role("button", name="Pair", exact=True).click()
        page.wait_for_url(f"{self.server.http}/")
        return Chat(page, self.server.http)


@pytest.fixture
def phones(browser: Browser, embedded: Server) -> Iterator[Phones]:
    made = Phones(browser, embedded)
    yield made
    for context in made.contexts:
        context.close()
    assert made.failures == []
    assert made.hosts <= {"127.0.0.1"}


def code_for(page: Page, server: Server, *, another: bool = False) -> str:
    """As the computer's page shows it; with `another`, for a further device of the person whose page this is."""
    made = page.request.post(f"{server.http}/api/pairing-codes") if another else None
    if made is not None:
        return str(made.json()["code"])
    page.goto(f"{server.http}/pair/?address=127.0.0.1:{server.port}")
    address = page.locator(".choice:has(:checked) .address a").get_attribute("href") or ""
    found = re.search(r"\?code=([0-9A-Z]{4}-[0-9A-Z]{4})", address)
    assert found, address
    return found[1]


def test_two_phones_of_one_person_and_a_stranger(phones: Phones, embedded: Server) -> None:
    """The two see the same as it is written; the stranger sees nothing, not even with the address; a revoked phone is out at once."""
    host = phones.page(foreign=False)
    mine = phones.paired(code_for(host, embedded), "my phone")
    tablet = phones.paired(code_for(mine.page, embedded, another=True), "my tablet")
    stranger = phones.paired(code_for(host, embedded), "somebody else's")

    mine.ask("How do I connect my phone?")
    tablet.open(f"/?c={mine.conversation}")
    expect(tablet.users).to_have_text(["How do I connect my phone?"])
    mine.say("What can you do?")
    expect(tablet.users).to_have_count(2)
    mine.finished()
    tablet.finished()
    assert tablet.text() == mine.text() != ""

    stranger.open(f"/?c={mine.conversation}")
    expect(stranger.page.locator("#welcome")).to_be_visible()
    assert stranger.page.request.get(f"{embedded.http}/api/conversations/{mine.conversation}").status == 404
    assert stranger.page.request.get(f"{embedded.http}/api/conversations").json()["items"] == []
    nobody = phones.page()
    nobody.goto(f"{embedded.http}/?c={mine.conversation}")
    assert "/pair/" in nobody.url
    assert nobody.request.get(f"{embedded.http}/api/conversations/{mine.conversation}").status == 401

    devices = host.request.get(f"{embedded.http}/api/devices").json()
    tablet_id = next(device["id"] for device in devices if device["name"] == "my tablet")
    assert host.request.delete(f"{embedded.http}/api/devices/{tablet_id}").status == 204
    expect(tablet.page.locator("#note")).to_contain_text("not paired")
    mine.ask("Hello")
    expect(tablet.users).to_have_count(2)
