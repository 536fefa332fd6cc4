"""The chat page: what a person says, sees and does."""

from __future__ import annotations

import html
import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.chat import words
from tests.browser.conftest import OpenPage
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]


def test_it_streams_and_stores(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    expect(chat.page.locator("#welcome")).to_contain_text("fake")
    chat.say("!say 60")
    expect(chat.page.locator("#welcome")).to_be_hidden()
    chat.streaming()
    assert words(60).startswith(chat.text())
    chat.finished()
    assert chat.text() == words(60)
    assert chat.stored() == [("user", "!say 60"), ("assistant", words(60))]
    expect(chat.page.locator(".conversation[aria-current] .row-title")).to_have_text("!say 60")
    assert chat.ask("and 你好 🙂") == "echo: and 你好 🙂"


def test_stop_and_continue(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.say("!say 120")
    chat.streaming()
    chat.stop()
    expect(chat.last).to_contain_text("Stopped.")
    cut = chat.text()
    assert cut
    assert words(120).startswith(cut)
    assert len(cut) < len(words(120))
    chat.button("Continue").click()
    chat.finished()
    assert chat.text() == words(120)
    assert len(chat.stored()) == 2
    expect(chat.button("Continue")).to_have_count(0)


def test_thinking_is_folded_and_apart(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    assert chat.ask("!think hello") == "echo: !think hello"
    thoughts = chat.last.locator(".thoughts")
    expect(thoughts).to_be_hidden()
    chat.last.locator("summary").click()
    expect(thoughts).to_have_text("hm well ")
    expect(chat.last.locator("summary")).to_have_text(re.compile("Thought for 1 s|Thoughts"))


def test_reload_in_mid_answer_goes_on(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.say("!think !say 150")
    chat.streaming()
    chat.reload()
    chat.finished()
    assert chat.text() == words(150)
    assert (chat.last.locator(".thoughts").text_content() or "") == "hm well "
    assert chat.said() == ["!think !say 150"]


def test_edit_and_regenerate_make_branches(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("first")
    chat.field.fill("my draft")
    chat.users.last.hover()
    chat.button("Edit").click()
    expect(chat.field).to_have_value("first")
    chat.field.fill("second")
    chat.field.press("Enter")
    expect(chat.last).to_contain_text("echo: second")
    chat.finished()
    assert chat.said() == ["second"]
    expect(chat.field).to_have_value("my draft")
    chat.button("Answer again").click()
    expect(chat.button("Send")).to_be_visible()
    chat.finished()
    assert chat.stored() == [("user", "second"), ("assistant", "echo: second")]
    chat.reload()
    assert chat.said() == ["second"]


def test_a_failed_answer_says_so_and_can_be_tried_again(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    assert chat.ask("!fail 2 a b c").startswith("echo: ")
    expect(chat.last.locator(".quiet.failed")).to_contain_text("The model failed in the middle of this answer.")
    chat.button("Try again").click()
    expect(chat.last).to_contain_text("2/2")
    chat.finished()
    expect(chat.last.locator(".quiet.failed")).to_be_visible()


def test_what_is_refused_comes_back_with_the_reason(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    long = "word " * 5000
    chat.say(long)
    expect(chat.page.locator("#note")).to_contain_text("too long for the model")
    expect(chat.field).to_have_value(long)
    expect(chat.users).to_have_count(0)
    expect(chat.page.locator("#welcome")).to_be_visible()


def test_the_system_prompt(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.field.fill("/system")
    expect(chat.page.locator("#hint")).to_contain_text("how the model should behave")
    chat.say("/system Be brief.")
    expect(chat.page.locator(".message.system")).to_have_text("System prompt: Be brief.")
    chat.ask("hello")
    chat.reload()
    expect(chat.page.locator(".message.system")).to_have_text("System prompt: Be brief.")
    assert [role for role, _ in chat.stored()] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=\"document.title='owned'\">",
        "<script>document.title='owned'</script>",
        "</div><style>*{display:none}</style>",
        "<a href='javascript:alert(1)'>x</a> &lt;b&gt; {{ 7*7 }} </script><!--",
    ],
)
def test_html_stays_text(server: Server, open_page: OpenPage, text: str) -> None:
    chat = open_page(server.port)
    shown = f"echo: {html.unescape(text)}"  # Markdown knows entities
    assert chat.ask(text) == shown
    chat.reload()  # the text comes inside the page now
    assert chat.text() == shown
    assert chat.said() == [text]
    assert chat.page.locator("#thread").locator("img, script, style, a, b").count() == 0
    assert "owned" not in chat.page.title().replace(text, "")


def test_the_page_allows_no_inline_script(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    policy = chat.page.request.get(chat.http).headers["content-security-policy"]
    assert "script-src 'self'" in [part.strip() for part in policy.split(";")]  # their order is any
    assert "unsafe" not in policy


def test_keys(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    expect(chat.field).to_be_focused()
    chat.page.keyboard.type("one")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("two")
    expect(chat.field).to_have_value("one\ntwo")
    expect(chat.users).to_have_count(0)
    chat.page.keyboard.press("Enter")
    chat.finished()
    assert chat.said() == ["one\ntwo"]
    chat.page.keyboard.press("Enter")
    assert chat.stored()[-1][0] == "assistant", "an empty field sends nothing"


def test_enter_that_ends_a_composition_does_not_send(server: Server, open_page: OpenPage) -> None:
    """An input method for Chinese takes Enter to choose what was typed."""
    chat = open_page(server.port)
    typing = chat.page.context.new_cdp_session(chat.page)
    typing.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    expect(chat.field).to_have_value("nihao")
    # The keydown that a browser gives a page while an input method is at work.
    chat.field.evaluate("e => e.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))")
    typing.send("Input.insertText", {"text": "你好"})
    expect(chat.field).to_have_value("你好")
    expect(chat.users).to_have_count(0)
    chat.page.keyboard.press("Enter")
    expect(chat.users).to_have_count(1)
    chat.finished()
    assert chat.said() == ["你好"]


def test_the_draft_survives(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("hello")
    chat.field.fill("not finished")
    chat.page.get_by_role("link", name="New chat").first.click()
    expect(chat.field).to_have_value("")
    expect(chat.users).to_have_count(0)
    chat.page.go_back()
    expect(chat.users).to_have_count(1)
    expect(chat.field).to_have_value("not finished")
    chat.reload()
    expect(chat.field).to_have_value("not finished")


def test_another_conversation_while_one_is_written(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.say("!say 130")
    chat.streaming()
    chat.page.get_by_role("link", name="New chat").first.click()
    assert chat.ask("quick") == "echo: quick"
    writing = chat.page.locator(".conversation", has=chat.page.locator(".dot"))
    expect(writing).to_have_count(1)
    writing.click()
    expect(chat.users).to_have_text(["!say 130"])
    chat.finished()
    assert chat.text() == words(130)


def test_who_scrolls_up_is_left_in_peace(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port, viewport={"width": 390, "height": 500})
    chat.say("!say 400")
    chat.streaming("w150 ")
    position = "document.getElementById('scroller').scrollTop"
    assert chat.page.evaluate(position) > 0, "it follows the text"
    chat.page.locator("#scroller").hover()
    chat.page.mouse.wheel(0, -5000)
    expect(chat.page.locator("#to-end")).to_be_visible()  # it follows no more
    chat.page.mouse.wheel(0, -5000)  # the first moves nothing where the browser's compositor has not heard yet that there is something to scroll
    chat.page.wait_for_function(f"() => {position} === 0")
    chat.streaming("w200 ")
    assert chat.page.evaluate(position) == 0
    chat.page.locator("#to-end").click()
    chat.page.wait_for_function(f"() => {position} > 0")
    expect(chat.page.locator("#to-end")).to_be_hidden()


def test_copy_works_without_a_secure_context(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    chat.ask("copy me")
    chat.last.get_by_role("button", name="Copy").click()
    chat.field.fill("")
    chat.field.press("Control+v")
    expect(chat.field).to_have_value("echo: copy me")


def test_a_model_that_loads_says_how_far_it_is(server: Server, open_page: OpenPage) -> None:
    """The server answers while the model still loads; here only what it says of the model is changed."""
    chat = open_page(server.port)
    share: list[float | None] = [0.4]

    def loading(route: Route) -> None:
        models = route.fetch().json()
        route.fulfill(json=[model | ({"state": "loading", "progress": share[0]} if share[0] else {}) for model in models])

    chat.page.route("**/api/models", loading)
    chat.open()
    expect(chat.page.locator("#model")).to_contain_text("40 %")
    share[0] = 0.8
    expect(chat.page.locator("#model")).to_contain_text("80 %")
    share[0] = None
    expect(chat.page.locator("#model")).to_have_text("fake · on this computer, nothing leaves it")


def test_after_a_click_on_send_the_field_has_the_focus(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.say("hello")
    expect(chat.field).to_be_focused()
    chat.finished()
