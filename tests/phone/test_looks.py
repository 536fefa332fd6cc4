"""Every screen, as far as it can be checked without eyes: axe-core, nothing wider than the screen, sizes of the text, motion."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import NETWORK_FAILS, Guard, serious
from tests.end_to_end.server import Server
from tests.phone.conftest import FreshServer, OpenBrowser, OpenPhone
from tests.phone.phone import Phone
from tests.talks import RICH, imported

pytestmark = [pytest.mark.browser, pytest.mark.process]

LOOKS = [("en", "light"), ("en", "dark"), ("zh-CN", "light"), ("zh-CN", "dark")]
SECTIONS = ["model", "persona", "sampling", "computer", "data", "about"]
SMALLEST_TARGET = 24  # WCAG 2.2, target size (minimum); links in a text are not counted


@pytest.fixture(scope="module")
def _talks(phone_server: Server) -> None:
    imported(phone_server, "rich", [("Show me everything", RICH)])


def screens(phone: Phone) -> Iterator[str]:
    """Leads through every screen; at each `yield` one is open."""
    page = phone.page
    yield "welcome"
    phone.open_drawer()
    yield "drawer"
    phone.row("rich").first.tap()
    expect(phone.answers).to_have_count(1)
    expect(page.locator(".katex").first).to_be_visible()
    yield "answer"
    phone.button("more", phone.last).tap()
    expect(page.locator(".overlay").first).to_be_visible()
    yield "menu"
    page.go_back()
    phone.button("edit", phone.users.last).tap()
    yield "editing"
    phone.button("取消" if phone.names["send"] == "发送" else "Cancel").first.tap()
    phone.new_chat()
    phone.say("!think !say 400")
    phone.streaming()
    phone.last.locator(".thinking").get_by_role("button").first.tap()
    expect(phone.last.locator(".thoughts")).to_be_visible()
    yield "streaming"
    phone.stop()
    expect(phone.last.locator(".quiet")).to_be_visible()
    phone.finished()
    yield "stopped"
    phone.open_settings()
    yield "settings"
    phone.leave_settings()
    for section in SECTIONS:
        phone.open_settings(section)
        yield f"settings, {section}"
        phone.leave_settings()


def fits(page: Page) -> list[str]:
    """What is wider than the screen, or too small to be pressed. Formulas, code and tables scroll in their own boxes."""
    found: list[str] = page.evaluate(
        f"""() => {{
          const width = document.documentElement.scrollWidth;
          const wide = width > innerWidth ? ['the page scrolls sideways: ' + width] : [];
          const seen = (one) => one.checkVisibility({{ opacityProperty: true, visibilityProperty: true }}) && one.getBoundingClientRect().width > 0;
          const small = [...document.querySelectorAll('[role=button], [role=switch], [role=slider], [role=radio], input, textarea')]
            .filter(seen)
            .filter((one) => one.getBoundingClientRect().height < {SMALLEST_TARGET} || one.getBoundingClientRect().width < {SMALLEST_TARGET})
            .map((one) => 'too small: ' + one.outerHTML.slice(0, 150));
          const out = [...document.querySelectorAll('[role=button], input, textarea')].filter(seen)
            .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.md-scroll, .presets, pre'))
            .map((one) => 'outside: ' + one.outerHTML.slice(0, 150));
          return [...wide, ...small, ...out];
        }}"""
    )
    return found


@pytest.mark.usefixtures("_talks")
@pytest.mark.parametrize(("locale", "scheme"), LOOKS)
def test_every_screen(phone_server: Server, open_phone: OpenPhone, locale: str, scheme: str) -> None:
    phone = open_phone(phone_server.port, locale=locale, color_scheme=scheme)
    assert phone.page.locator("html").get_attribute("lang") == ("zh-Hans" if locale == "zh-CN" else "en")
    wrong = [f"{screen}: {found}" for screen in screens(phone) for found in serious(phone.page) + fits(phone.page)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("_talks")
@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_screen_is_wider_than_the_device(phone_server: Server, open_phone: OpenPhone, width: int) -> None:
    phone = open_phone(phone_server.port, viewport={"width": width, "height": 720})
    wrong = [f"{screen}: {found}" for screen in screens(phone) for found in fits(phone.page)]
    assert not wrong, "\n".join(wrong)


def test_a_column_on_wide_screens(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port, viewport={"width": 1280, "height": 800}, is_mobile=False, has_touch=False)
    phone.field.fill("hello")
    phone.field.press("Enter")
    expect(phone.answers).to_have_count(1)
    phone.finished()
    around = phone.page.locator(".thread").bounding_box()
    assert around
    for box in (phone.last.bounding_box(), phone.page.locator(".composer-box").bounding_box()):
        assert box
        assert box["width"] <= 760
        assert abs((box["x"] + box["width"] / 2) - (around["x"] + around["width"] / 2)) < 12, "in the middle of what is left beside the list"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_offline_and_what_waits(fresh: FreshServer, open_phone: OpenPhone, guard: Guard, scheme: str) -> None:
    guard.expected += NETWORK_FAILS
    server = fresh()
    phone = open_phone(server.port, color_scheme=scheme)
    phone.ask("hello")
    server.kill()
    expect(phone.offline).to_be_visible()
    phone.say("later")
    expect(phone.page.locator(".message.waiting")).to_have_count(1)
    assert serious(phone.page) + fits(phone.page) == []


@pytest.mark.parametrize(("locale", "scheme"), [("en", "dark"), ("zh-CN", "light")])
def test_the_connect_page(phone_server: Server, open_browser: OpenBrowser, guard: Guard, locale: str, scheme: str) -> None:
    guard.expected.append("status of 401")
    page = open_browser(stranger=True, locale=locale, color_scheme=scheme)
    page.goto(f"{phone_server.http}/m/")
    expect(page.locator(".code")).to_be_visible()
    assert serious(page) + fits(page) == []
    page.set_viewport_size({"width": 320, "height": 600})
    assert fits(page) == []


@pytest.mark.usefixtures("_talks")
def test_larger_text_makes_everything_larger_and_still_fits(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port, viewport={"width": 320, "height": 640})
    phone.ask("hello there")
    sizes = []
    for size in ("small", "normal", "large", "larger"):
        phone.page.evaluate("(size) => localStorage.setItem('llmsite.looks', JSON.stringify({theme: '', size}))", size)
        phone.reload()
        expect(phone.page.locator(f".text-{size}").first).to_be_visible()
        expect(phone.last.locator(".answer-text")).to_be_visible()
        sizes.append(float(phone.last.locator(".answer-text").evaluate("(one) => parseFloat(getComputedStyle(one).fontSize)")))
    assert sizes == sorted(set(sizes)), "each is larger than the one before"
    assert sizes[1] == 16
    wrong = [f"{screen}: {found}" for screen in screens(phone) for found in fits(phone.page)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("_talks")
def test_who_wants_no_motion_sees_none(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port, reduced_motion="reduce")
    moving = """document.getAnimations().filter((one) => one.playState === 'running' && one.effect.getComputedTiming().duration > 50)
      .map((one) => one.animationName || one.transitionProperty)"""
    for screen in screens(phone):
        assert phone.page.evaluate(moving) == [], screen
