"""The messages on a phone: how they grow, what can be done with them, and where the reader stands among many."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, expect

from tests.chromium import serious
from tests.end_to_end.server import Server
from tests.phone.conftest import FreshServer, OpenPhone
from tests.phone.long_chat import import_long
from tests.phone.phone import Phone, words

pytestmark = [pytest.mark.browser, pytest.mark.process]


def long_press(what: Locator) -> None:
    """A finger that stays for a second, and is lifted: a browser makes no click of that."""
    what.evaluate(
        """async (element) => {
          const { left, top } = element.getBoundingClientRect();
          const touch = new Touch({ identifier: 1, target: element, clientX: left + 8, clientY: top + 8, pageX: left + 8, pageY: top + 8 });
          const touches = { touches: [touch], targetTouches: [touch], changedTouches: [touch] };
          element.dispatchEvent(new TouchEvent("touchstart", { ...touches, bubbles: true, cancelable: true }));
          await new Promise((done) => setTimeout(done, 1000));
          element.dispatchEvent(new TouchEvent("touchend", { changedTouches: [touch], bubbles: true, cancelable: true }));
          await new Promise((done) => setTimeout(done, 200));
        }"""
    )


def ask_again(phone: Phone, button: str) -> None:
    before = phone.last.get_attribute("data-id")
    assert before
    phone.button(button).last.tap()
    expect(phone.last).not_to_have_attribute("data-id", before)
    phone.finished()


def wait_for_end(phone: Phone) -> None:
    box = "document.querySelector('.thread')"
    phone.page.wait_for_function(f"() => {box}.scrollHeight - {box}.scrollTop - {box}.clientHeight < 8")


# --- what can be done -------------------------------------------------------------------------------------------------------------


def test_stop_and_continue(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.say("!say 120")
    phone.streaming("w10 ")
    phone.stop()
    expect(phone.last.locator(".quiet")).to_contain_text("Stopped.")
    cut = phone.text()
    assert words(120).startswith(cut)
    assert len(cut) < len(words(120))
    phone.button("continue").tap()
    expect(phone.last.locator(".quiet")).to_have_count(0)
    phone.finished()
    assert phone.text() == words(120)
    assert len(phone.stored()) == 2
    expect(phone.button("continue")).to_have_count(0)


def test_a_second_tap_on_send_does_not_stop(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.field.fill("!say 40")
    phone.page.locator(".send").evaluate("(send) => { send.click(); setTimeout(() => send.click(), 30) }")
    phone.streaming()
    phone.finished()
    assert phone.text() == words(40)


def test_thinking_is_folded_and_apart(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    assert phone.ask("!think hello") == "echo: !think hello"
    fold = phone.last.locator(".thinking").get_by_role("button")
    expect(fold).to_have_text(re.compile("Thought for 1 s|Thoughts"))
    expect(phone.last.locator(".thoughts")).to_have_count(0)
    fold.tap()
    expect(phone.last.locator(".thoughts")).to_have_text("hm well")
    expect(fold).to_have_attribute("aria-expanded", "true")
    fold.tap()
    expect(phone.last.locator(".thoughts")).to_have_count(0)


def test_edit_and_regenerate_make_branches(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.ask("first")
    phone.field.fill("my draft")
    phone.button("edit").tap()
    expect(phone.field).to_have_value("first")
    expect(phone.page.locator(".composer")).to_contain_text("Editing. The old message is kept.")
    phone.say("second")
    expect(phone.last).to_contain_text("echo: second")
    phone.finished()
    assert phone.said() == ["second"]
    expect(phone.field).to_have_value("my draft")
    ask_again(phone, "regenerate")
    expect(phone.last.locator(".branches")).to_contain_text("2/2")
    expect(phone.users.last.locator(".branches")).to_contain_text("2/2")
    phone.button("before", phone.users.last).tap()
    expect(phone.users).to_have_text(re.compile("first"))
    expect(phone.last).to_contain_text("echo: first")
    expect(phone.last.locator(".branches")).to_have_count(0)
    expect(phone.button("before", phone.users.last)).to_have_attribute("aria-disabled", "true")
    phone.button("after", phone.users.last).tap()
    expect(phone.last).to_contain_text("echo: second")


def test_an_edit_can_be_given_up(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.ask("to be given up")
    phone.field.fill("my draft")
    phone.button("edit").tap()
    phone.field.fill("half changed")
    phone.reload()
    phone.open_drawer().get_by_text("to be given up").first.tap()
    expect(phone.field).to_have_value("half changed")
    phone.button("Cancel").tap()
    expect(phone.field).to_have_value("my draft")
    assert phone.said() == ["to be given up"]


def test_a_failed_answer_says_so_and_can_be_tried_again(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    assert phone.ask("!fail 2 a b c").startswith("echo: ")
    expect(phone.last.locator(".quiet.failed")).to_contain_text("The model failed in the middle of this answer.")
    ask_again(phone, "again")
    expect(phone.last.locator(".quiet.failed")).to_be_visible()


def test_what_is_refused_comes_back_with_the_reason(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    long = "word " * 5000
    phone.say(long)
    expect(phone.page.get_by_role("alert")).to_contain_text("too long for the model")
    expect(phone.field).to_have_value(long)
    expect(phone.users).to_have_count(0)
    expect(phone.page.locator(".welcome")).to_be_visible()
    # The very same text again: what the field was given last is what it has to show now.
    phone.button("send").tap()
    expect(phone.page.get_by_role("alert")).to_contain_text("too long for the model")
    expect(phone.field).to_have_value(long)


def test_the_system_prompt(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.field.fill("/system")
    expect(phone.page.locator(".composer-hint")).to_contain_text("how the model should behave")
    phone.say("/system Be brief.")
    expect(phone.page.locator(".message.system")).to_have_text("System prompt: Be brief.")
    phone.ask("hello")
    assert [role for role, _ in phone.stored()] == ["system", "user", "assistant"]


def test_thumbs(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.ask("rate me")

    def rated() -> tuple[int, str]:
        message = phone.api(f"conversations/{phone.api('conversations')['items'][0]['id']}")["messages"][-1]
        return message["rating"], message["comment"]

    with phone.page.expect_response("**/feedback"):
        phone.button("bad").tap()
    expect(phone.button("bad")).to_have_attribute("aria-pressed", "true")
    assert rated() == (-1, "")
    phone.button("Say why").tap()
    phone.page.locator(".overlay").locator("input, textarea").fill("Too short.")
    with phone.page.expect_response("**/feedback"):
        phone.page.locator(".overlay").get_by_role("button", name="Send", exact=True).tap()
    expect(phone.last.locator(".feedback")).to_contain_text("Too short.")
    assert rated() == (-1, "Too short.")
    with phone.page.expect_response("**/feedback"):
        phone.button("bad").tap()
    expect(phone.button("bad")).to_have_attribute("aria-pressed", "false")
    assert rated() == (0, "")


def test_copy_works_without_a_secure_context(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    phone.ask("copy **me**")
    phone.button("copy", phone.last).first.tap()
    expect(phone.button("Copied", phone.last)).to_be_visible()
    phone.field.press("Control+v")
    expect(phone.field).to_have_value("echo: copy **me**")


def test_a_long_press_opens_the_menu(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.ask("hold me")
    long_press(phone.users.last.locator(".bubble"))
    menu = phone.page.locator(".overlay")
    for name in ("Copy", "Select text", "Share as text", "Edit"):
        expect(menu.get_by_text(name, exact=True)).to_be_visible()
    menu.get_by_text("Edit", exact=True).tap()
    expect(phone.field).to_have_value("hold me")
    phone.button("Cancel").tap()
    phone.button("more", phone.last).tap()
    menu.get_by_text("Select text", exact=True).tap()
    expect(menu.locator(".select-text")).to_have_text("echo: hold me")
    phone.page.go_back()  # as the phone's back button
    expect(menu).to_have_count(0)
    expect(phone.users).to_have_count(1)


def test_share_copies_where_nothing_can_share(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.page.evaluate("() => { for (const name of ['share', 'clipboard']) Object.defineProperty(navigator, name, {value: undefined}) }")
    phone.ask("share me")
    phone.button("more", phone.last).tap()
    phone.page.locator(".overlay").get_by_text("Share as text", exact=True).tap()
    expect(phone.page.locator(".toast")).to_contain_text("Copied")
    phone.field.press("Control+v")
    expect(phone.field).to_have_value("echo: share me")


def test_a_message_that_waits_can_be_taken_back(fresh: FreshServer, open_phone: OpenPhone, guard: Any) -> None:
    guard.expected += ["net::ERR_", "WebSocket connection to"]
    server = fresh()
    phone = open_phone(server.port)
    phone.ask("hello")
    server.kill()
    expect(phone.offline).to_contain_text("Offline")
    bar, first = phone.offline.bounding_box(), phone.users.first.bounding_box()
    assert bar
    assert first
    assert bar["y"] + bar["height"] <= first["y"]  # it covers nothing
    phone.say("later")
    phone.say("and more")
    expect(phone.page.locator(".message.waiting")).to_have_count(2)
    expect(phone.users.nth(1).locator(".quiet")).to_contain_text("Saved. Goes out once connected.")
    phone.button("take_back", phone.users.last).tap()
    expect(phone.field).to_have_value("and more")
    expect(phone.page.locator(".message.waiting")).to_have_count(1)
    server.start()
    phone.finished()
    assert phone.said() == ["hello", "later"]
    expect(phone.offline).to_have_count(0)


def test_what_is_pasted_shows_its_beginning(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.say("line\n" * 60 + "the end")
    text = phone.users.last.locator(".message-text")
    phone.finished()
    expect(text).not_to_contain_text("the end")
    phone.button("Show all").tap()
    expect(text).to_contain_text("the end")


def test_the_end_of_an_answer_is_said_once(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.say("!say 30")
    phone.streaming()
    expect(phone.page.locator(".said")).to_have_text("")
    phone.finished()
    expect(phone.page.locator(".said")).to_have_text("The answer is complete.")
    expect(phone.page.locator(".said")).to_have_attribute("aria-live", "polite")


# --- where the reader stands --------------------------------------------------------------------------------------------------------


def test_who_scrolls_up_is_left_in_peace(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port, viewport={"width": 390, "height": 500})
    phone.say("!say 500")
    phone.streaming("w200 ")
    assert phone.scroll("it.scrollTop") > 0, "it follows the text"
    wait_for_end(phone)
    phone.page.locator(".thread").hover()
    phone.page.mouse.wheel(0, -5000)
    phone.page.wait_for_function("() => document.querySelector('.thread').scrollTop === 0")
    phone.streaming("w260 ")
    assert phone.scroll("it.scrollTop") == 0
    phone.button("to_end").tap()
    expect(phone.button("to_end")).to_have_count(0)
    phone.finished()
    wait_for_end(phone)


def test_saying_something_shows_it(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port, viewport={"width": 390, "height": 500})
    phone.ask("!say 300")
    phone.page.locator(".thread").hover()
    phone.page.mouse.wheel(0, -5000)
    phone.page.wait_for_function("() => document.querySelector('.thread').scrollTop === 0")
    phone.ask("here")
    expect(phone.users.last).to_be_in_viewport()
    wait_for_end(phone)


def test_a_long_conversation_is_drawn_where_it_is_read(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    import_long(phone, 100, "Two hundred")
    phone.reload()
    phone.open_drawer().get_by_text("Two hundred").first.tap()
    expect(phone.last).to_contain_text("Number 99.")
    phone.page.wait_for_function(
        "() => { const it = document.querySelector('.thread'); return it.scrollHeight - it.scrollTop - it.clientHeight < 8 }"
    )
    assert phone.page.locator(".message").count() <= 40
    for _ in range(200):
        # What is read goes exactly as far as the reader has moved, whatever is drawn above it meanwhile.
        moved = phone.page.evaluate(
            """async () => {
              const it = document.querySelector('.thread');
              const edge = it.getBoundingClientRect().top;
              const read = [...document.querySelectorAll('.message')].find((one) => one.getBoundingClientRect().bottom > edge + 5);
              const before = read.getBoundingClientRect().top;
              const step = Math.min(700, it.scrollTop);
              it.scrollTop -= step;
              for (let frame = 0; frame < 4; frame += 1) await new Promise(requestAnimationFrame);
              return read.isConnected ? Math.round(read.getBoundingClientRect().top - before - step) : 0;
            }"""
        )
        assert abs(moved) <= 1
        if phone.page.get_by_text("Question number 0?").count() and phone.scroll("it.scrollTop") == 0:
            break
    expect(phone.page.get_by_text("Question number 0?")).to_be_in_viewport()
    assert phone.page.locator(".message").count() <= 80
    phone.button("to_end").tap()
    expect(phone.page.get_by_text("Number 99.")).to_be_in_viewport()
    assert phone.page.locator(".message").count() <= 40


def test_a_message_that_was_found_is_shown(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    import_long(phone, 60, "Searched")
    phone.reload()
    phone.open_drawer().locator(".drawer-search input").fill("Question number 7?")
    phone.drawer.locator("[data-message]").filter(has_text="Searched").filter(has_text="Question number 7?").locator(".tap").tap()
    found = phone.users.filter(has_text="Question number 7?")
    expect(found).to_be_in_viewport()
    expect(phone.button("to_end")).to_be_visible()
    phone.button("to_end").tap()
    expect(phone.page.get_by_text("Number 59.")).to_be_in_viewport()


def test_an_answer_grows_alone(phone_server: Server, open_phone: OpenPhone) -> None:
    """With two hundred messages above it, nothing but the newest is touched while it grows."""
    phone = open_phone(phone_server.port)
    import_long(phone, 100, "Grows alone")
    phone.reload()
    phone.open_drawer().get_by_text("Grows alone").first.tap()
    expect(phone.last).to_contain_text("Number 99.")
    phone.say("!say 200")
    phone.streaming("w20 ")
    phone.page.evaluate(
        """() => {
          window.touched = new Set();
          const seen = (list) => list.forEach(({ target }) => {
            const message = (target.nodeType === 1 ? target : target.parentElement)?.closest('.message');
            if (message) touched.add(message.dataset.id);
          });
          window.watcher = new MutationObserver(seen);
          watcher.observe(document.querySelector('.thread'), { subtree: true, childList: true, characterData: true, attributes: true });
        }"""
    )
    phone.streaming("w150 ")
    touched = phone.page.evaluate("() => { watcher.disconnect(); return [...touched] }")
    assert touched == [phone.last.get_attribute("data-id")]


# --- looks --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_everybody_can_use_it(phone_server: Server, open_phone: OpenPhone, locale: str, scheme: Literal["light", "dark"]) -> None:
    phone = open_phone(phone_server.port, locale=locale, color_scheme=scheme)
    assert serious(phone.page) == []
    phone.ask("!think hello")
    phone.last.locator(".thinking").get_by_role("button").tap()
    phone.button("good").tap()
    assert serious(phone.page) == []
    phone.button("edit").tap()
    phone.say("!say 600")
    phone.streaming()
    assert serious(phone.page) == []
    phone.stop()
    phone.finished()
    phone.button("more").last.tap()
    assert serious(phone.page) == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(phone_server: Server, open_phone: OpenPhone, width: int) -> None:
    phone = open_phone(phone_server.port, viewport={"width": width, "height": 640})
    phone.ask("x" * 300 + " !think " + "y" * 300)
    phone.last.locator(".thinking").get_by_role("button").tap()
    ask_again(phone, "regenerate")
    phone.button("bad").tap()
    phone.field.fill("/system " + "z" * 300)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= width
    assert phone.scroll("it.scrollWidth <= it.clientWidth")
    column = phone.last.bounding_box()
    assert column
    assert column["width"] <= 760
