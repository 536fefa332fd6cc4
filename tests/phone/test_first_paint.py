"""What a phone shows before the client's code has come, on a slow way: its ground in the right theme, and where things will be."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]

LIGHT, DARK = "rgb(255, 255, 255)", "rgb(22, 24, 29)"


@pytest.fixture
def waiting(open_browser: Any, phone_server: Server, guard: Any) -> Any:
    """`waiting(keep={…}, **options)`: the page of a phone that remembers something and has not got the client's code yet."""
    guard.expected.append("net::ERR_FAILED")

    def open_(keep: dict[str, str] | None = None, **options: Any) -> Page:
        page: Page = open_browser(**options)
        page.context.add_cookies([{"name": name, "value": value, "url": phone_server.http} for name, value in (keep or {}).items()])
        page.route(re.compile(r"/m/assets/(index|pages)[-.].*\.js"), lambda route: route.abort())
        page.goto(f"{phone_server.http}/m/")
        return page

    return open_


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.querySelector('.first')).backgroundColor"))


def test_the_ground_and_the_places_are_there_before_any_code(waiting: Any) -> None:
    page = waiting()
    assert page.locator(".first-header").bounding_box()["width"] == 390
    assert page.locator(".first-field").bounding_box()["y"] > 700
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")


@pytest.mark.parametrize(("scheme", "chosen", "shown"), [("light", "", LIGHT), ("dark", "", DARK), ("light", "dark", DARK), ("dark", "light", LIGHT)])
def test_the_theme_is_right_from_the_first_picture_on(waiting: Any, scheme: str, chosen: str, shown: str) -> None:
    keep = {"llmsite_theme": chosen} if chosen else {}
    assert ground(waiting(keep, color_scheme=scheme)) == shown


def test_what_cannot_be_read_is_not_minded(waiting: Any) -> None:
    assert ground(waiting({"llmsite_theme": "pink"}, color_scheme="dark")) == DARK


@pytest.mark.parametrize(
    ("locale", "kept", "lang"), [("zh-CN", "", "zh-Hans"), ("en-US", "", "en"), ("en-US", "zh-hans", "zh-Hans"), ("zh-CN", "en", "en")]
)
def test_the_language_is_right_from_the_first_picture_on(waiting: Any, locale: str, kept: str, lang: str) -> None:
    page = waiting({"llmsite_language": kept} if kept else {}, locale=locale)
    assert page.evaluate("document.documentElement.lang") == lang


def test_the_client_itself_says_the_same(open_phone: Any, phone_server: Server) -> None:
    """What the first script makes of theme and language is what stays."""
    shown = "[document.documentElement.dataset.theme ?? '', document.documentElement.lang]"
    phone = open_phone(phone_server.port, locale="zh-CN", color_scheme="light")
    assert phone.page.evaluate(shown) == ["", "zh-Hans"]
    phone.page.context.add_cookies(
        [{"name": "llmsite_theme", "value": "dark", "url": phone.http}, {"name": "llmsite_language", "value": "en", "url": phone.http}]
    )
    phone.page.reload()
    expect(phone.field).to_be_visible()
    assert phone.page.evaluate(shown) == ["dark", "en"]


def test_then_the_client_takes_its_place(open_phone: Any, phone_server: Server) -> None:
    phone = open_phone(phone_server.port)
    assert phone.page.locator(".first").count() == 0
    assert phone.page.locator(".header").count() == 1
