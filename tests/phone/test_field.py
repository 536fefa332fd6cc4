"""The field of the phone client: what is written is never lost, and goes out when its person wants it to."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.end_to_end.server import Server
from tests.phone.conftest import OpenPhone

pytestmark = [pytest.mark.browser, pytest.mark.process]

DESKTOP: dict[str, Any] = {"has_touch": False, "is_mobile": False, "viewport": {"width": 1280, "height": 800}}


def test_keys(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port, **DESKTOP)
    phone.field.click()
    phone.page.keyboard.type("one")
    phone.page.keyboard.press("Shift+Enter")
    phone.page.keyboard.type("two")
    expect(phone.field).to_have_value("one\ntwo")
    expect(phone.users).to_have_count(0)
    phone.page.keyboard.press("Enter")
    phone.finished()
    assert phone.said() == ["one\ntwo"]
    expect(phone.field).to_be_focused()
    phone.page.keyboard.press("Enter")
    assert phone.stored()[-1][0] == "assistant", "an empty field sends nothing"


def test_on_a_phone_enter_breaks_the_line(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.field.tap()
    phone.page.keyboard.type("one")
    phone.page.keyboard.press("Enter")
    phone.page.keyboard.type("two")
    expect(phone.field).to_have_value("one\ntwo")
    phone.button("send").tap()
    phone.finished()
    assert phone.said() == ["one\ntwo"]
    expect(phone.field).not_to_be_focused()  # the keyboard makes room for the answer


def test_enter_that_ends_a_composition_does_not_send(phone_server: Server, open_phone: OpenPhone) -> None:
    """An input method for Chinese takes Enter to choose what was typed."""
    phone = open_phone(phone_server.port, **DESKTOP)
    phone.field.click()
    typing = phone.page.context.new_cdp_session(phone.page)
    typing.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    expect(phone.field).to_have_value("nihao")
    # The keydown that a browser gives a page while an input method is at work.
    phone.field.evaluate("e => e.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))")
    typing.send("Input.insertText", {"text": "你好"})
    expect(phone.field).to_have_value("你好")
    expect(phone.users).to_have_count(0)
    phone.page.keyboard.press("Enter")
    expect(phone.users).to_have_count(1)
    phone.finished()
    assert phone.said() == ["你好"]


def test_the_draft_survives(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.field.fill("begun at once")
    phone.reload()
    expect(phone.field).to_have_value("begun at once")
    phone.ask("a draft for each")
    phone.field.fill("not finished")
    phone.new_chat()
    expect(phone.field).to_have_value("")
    phone.open_drawer().get_by_text("a draft for each").first.tap()
    expect(phone.users).to_have_count(1)
    expect(phone.field).to_have_value("not finished")


def test_the_chat_page_has_the_same_draft(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.field.fill("from the phone client")
    phone.page.goto(phone.http + "/")
    expect(phone.page.locator("#field")).to_have_value("from the phone client")


def test_it_grows_to_six_lines(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)

    def height() -> float:
        box = phone.field.bounding_box()
        assert box
        return box["height"]

    one = height()
    phone.field.fill("a\nb")
    two = height()
    assert two - one == pytest.approx(24, abs=1)
    phone.field.fill("\n".join("abcdef"))
    six = height()
    assert six - one == pytest.approx(5 * 24, abs=1)
    phone.field.fill("\n".join("abcdefghijkl"))
    assert height() == pytest.approx(six, abs=1)
    phone.field.fill("")
    assert height() == one


def test_what_is_written_while_an_answer_runs_stays(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port, **DESKTOP)
    phone.field.fill("!say 150")
    phone.page.keyboard.press("Enter")
    phone.streaming()
    phone.field.fill("and then")
    phone.page.keyboard.press("Enter")
    phone.finished()
    expect(phone.field).to_have_value("and then")
    assert phone.said() == ["!say 150"]


def test_send_and_stop_have_one_place(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    send = phone.button("send").bounding_box()
    phone.say("!say 200")
    assert phone.button("stop").bounding_box() == send
    phone.stop()
    phone.finished()


def test_a_suggestion_is_said(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    suggestion = phone.page.locator(".suggestion").first
    text = (suggestion.text_content() or "").strip()
    suggestion.tap()
    phone.finished()
    assert phone.said() == [text]


def test_the_keyboard_of_safari_covers_nothing(phone_server: Server, open_phone: OpenPhone) -> None:
    """Safari leaves the page as high as it was, and says only through the visual viewport what can still be seen."""
    phone = open_phone(phone_server.port)
    phone.page.evaluate(
        """() => {
          Object.defineProperty(visualViewport, 'height', { value: innerHeight - 300, configurable: true });
          visualViewport.dispatchEvent(new Event('resize'));
        }"""
    )
    seen = phone.page.evaluate("visualViewport.height")
    phone.page.wait_for_function(f"() => document.querySelector('.composer').getBoundingClientRect().bottom <= {seen}")
    phone.page.evaluate("() => { delete visualViewport.height; visualViewport.dispatchEvent(new Event('resize')); }")
    phone.page.wait_for_function("() => document.querySelector('.composer').getBoundingClientRect().bottom === innerHeight")
