"""The whole way with the model that comes along, in both languages: pair, chat, think, stop, answer again, turn between the versions."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import Guard, serious
from tests.end_to_end.phones import pairing_code
from tests.end_to_end.server import Server
from tests.phone.conftest import OpenBrowser
from tests.phone.phone import Phone

pytestmark = [pytest.mark.browser, pytest.mark.process]

ASKED = {"en": "Hello, who are you?", "zh-CN": "你好，你是谁？"}
LONG = {"en": "How do I load a bigger model?", "zh-CN": "怎样换一个更大的模型？"}
PAIR = {"en": "Pair", "zh-CN": "配对"}


@pytest.fixture(autouse=True)
def _strangers_are_refused(guard: Guard) -> None:
    guard.expected += ["status of 401"]


def paired(server: Server, page: Page, locale: str) -> Phone:
    page.goto(f"{server.http}/pair/?code={pairing_code(server)}")
    page.get_by_role("button", name=PAIR[locale], exact=True).tap()
    page.wait_for_url(f"{server.http}/m/**")
    phone = Phone(page, server.http, locale)
    phone.ready()
    return phone


STOP_AT_THE_FIRST_WORD = """async (stop) => {
  const answers = document.querySelectorAll('.message.assistant').length;
  for (;;) {
    const all = [...document.querySelectorAll('.message.assistant')];
    const button = document.querySelector(`.send[aria-label="${stop}"]`);
    const text = all.length > answers && all.at(-1).querySelector('.answer-text')?.textContent;
    if (text && button) return button.click();
    if (text && !button) return;
    await new Promise(requestAnimationFrame);
  }
}"""


def stopped_in_time(phone: Phone, text: str) -> None:
    """The model is small and fast: within the page, and if its answer was over all the same, once more."""
    for _ in range(4):
        # It begins to look before the message is sent.
        phone.page.evaluate(f"(stop) => {{ window.stopping = ({STOP_AT_THE_FIRST_WORD})(stop); }}", phone.names["stop"])
        phone.say(text)
        phone.page.evaluate("() => window.stopping")
        phone.finished()
        if phone.last.locator(".quiet").count():
            return


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_whole_way(embedded_server: Server, open_browser: OpenBrowser, locale: str) -> None:
    phone = paired(embedded_server, open_browser(stranger=True, locale=locale, color_scheme="dark" if locale == "en" else "light"), locale)
    page = phone.page
    expect(page.locator(".welcome")).to_contain_text("micromind")
    assert serious(page) == []

    page.locator(".suggestion").first.tap()
    expect(phone.answers).to_have_count(1)
    phone.finished()
    assert "MicroMind" in phone.text()
    assert phone.said() == [ASKED[locale]]
    assert phone.stored() == [("user", ASKED[locale]), ("assistant", phone.text())]
    expect(phone.last.locator(".figures")).to_be_visible()
    assert serious(page) == []

    first = phone.text()
    phone.button("regenerate", phone.last).tap()
    expect(phone.button("send")).to_be_visible()
    expect(phone.last.locator(".branches")).to_contain_text("2/2")
    phone.finished()
    phone.button("before", phone.last).tap()
    expect(phone.last.locator(".branches")).to_contain_text("1/2")
    assert phone.text() == first
    phone.button("after", phone.last).tap()
    expect(phone.last.locator(".branches")).to_contain_text("2/2")

    stopped_in_time(phone, LONG[locale])
    expect(phone.last.locator(".quiet")).to_contain_text(phone.names["stopped"])
    stored = phone.stored()
    assert stored[-1] == ("assistant", phone.text())
    assert phone.said()[0] == ASKED[locale]


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_it_thinks_when_it_is_told_to(embedded_server: Server, open_browser: OpenBrowser, locale: str) -> None:
    phone = paired(embedded_server, open_browser(stranger=True, locale=locale), locale)
    turn_thinking_on(phone)
    phone.say("12 + 30 = ?")
    expect(phone.last.locator(".thinking")).to_be_visible()
    phone.finished()
    fold = phone.last.locator(".thinking").get_by_role("button").first
    expect(fold).to_have_text(re.compile(phone.names["thought"]))
    expect(phone.last.locator(".thoughts")).to_have_count(0)
    fold.tap()
    expect(phone.last.locator(".thoughts")).not_to_be_empty()
    thoughts = phone.last.locator(".thoughts").text_content() or ""
    assert thoughts.strip() not in phone.text()
    phone.reload()
    expect(phone.last.locator(".thinking")).to_be_visible()


def turn_thinking_on(phone: Phone) -> None:
    """For new conversations, in the settings."""
    phone.open_settings("sampling")
    switch = phone.page.locator("[data-parameter=thinking]").get_by_role("switch")
    switch.tap()
    expect(switch).to_have_attribute("aria-checked", "true")
    phone.leave_settings()
