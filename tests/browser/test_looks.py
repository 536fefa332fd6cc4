"""Small screens, both themes, both languages: what can be checked without eyes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.end_to_end.server import Server

TOKENS = Path(__file__).resolve().parents[2] / "frontend-uniapp" / "src" / "chat" / "tokens.css"
TEXT_ON = [
    ("--text", ("--bg", "--surface", "--surface-2", "--code-bg")),
    ("--text-muted", ("--bg", "--surface", "--surface-2")),
    ("--accent", ("--bg", "--surface")),
    ("--danger", ("--bg", "--surface")),
    ("--accent-text", ("--accent",)),
]


def themes() -> list[dict[str, str]]:
    blocks = re.findall(r"\{([^{}]*--bg:[^{}]*)\}", TOKENS.read_text(encoding="utf-8"))
    return [dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]{6});", block)) for block in blocks]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark by the system", "dark by choice"])
def test_every_text_can_be_read_on_its_ground(theme: dict[str, str]) -> None:
    for text, grounds in TEXT_ON:
        for ground in grounds:
            assert contrast(theme[text], theme[ground]) >= 4.5, f"{text} on {ground}"
    assert contrast(theme["--field-border"], theme["--bg"]) >= 3


def test_both_dark_themes_are_the_same() -> None:
    _, by_system, by_choice = themes()
    assert by_system == by_choice


@pytest.mark.browser
@pytest.mark.process
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_phone(server: Server, open_page: OpenPage, locale: str, scheme: Literal["light", "dark"]) -> None:
    chat = open_page(server.port, locale=locale, color_scheme=scheme, viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    page = chat.page
    assert page.locator("html").get_attribute("lang") == ("zh-Hans" if locale == "zh-CN" else "en")
    for element in page.locator("[data-words], [data-label]").all():
        name = element.get_attribute("aria-label") or element.text_content() or ""
        assert name.strip(), element.evaluate("e => e.outerHTML")
        assert locale == "en" or re.search(r"[\u4e00-\u9fff]", name), name
    page.locator(".suggestion").first.tap()
    page.locator(".message.assistant .actions").wait_for()
    chat.field.fill("!say 40 " + "x" * 300)
    page.locator("#send").tap()
    expect(page.locator(".message.live")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.getElementById('scroller').scrollWidth") <= 360
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 24, button.evaluate("e => e.outerHTML")


@pytest.mark.browser
@pytest.mark.process
def test_enter_breaks_the_line_on_touch(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    chat.field.tap()
    chat.page.keyboard.type("one")
    chat.page.keyboard.press("Enter")
    chat.page.keyboard.type("two")
    expect(chat.field).to_have_value("one\ntwo")
    expect(chat.users).to_have_count(0)


@pytest.mark.browser
@pytest.mark.process
def test_the_drawer_opens_and_closes(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    chat.ask("in the list")
    sidebar = chat.page.locator("#sidebar")
    expect(sidebar).to_be_hidden()
    chat.page.locator("#menu").tap()
    expect(sidebar).to_be_visible()
    expect(chat.page.locator("#close-menu")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(sidebar).to_be_hidden()
    expect(chat.page.locator("#menu")).to_be_focused()
    chat.page.locator("#menu").tap()
    chat.page.locator(".conversation", has_text="in the list").first.tap()
    expect(sidebar).to_be_hidden()
    expect(chat.users).to_have_text(["in the list"])


@pytest.mark.browser
@pytest.mark.process
def test_the_field_grows_to_six_lines(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    heights = []
    for lines in (1, 3, 6, 30):
        chat.field.fill("\n".join("x" * lines))
        heights.append(chat.field.bounding_box()["height"])  # type: ignore[index]
    assert heights[0] < heights[1] < heights[2]
    assert heights[3] - heights[2] < heights[0]
