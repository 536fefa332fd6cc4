"""Branches, ratings, and what another page of the same person does."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.conftest import OpenPage
from tests.end_to_end.server import Server


def api(chat: Chat, path: str, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{chat.http}/api/{path}", data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read() or b"null")


def test_branches_are_turned_and_gone_on_from(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("first")
    chat.ask("below the first")
    chat.users.first.hover()
    chat.users.first.get_by_role("button", name="Edit").click()
    chat.field.fill("second")
    chat.send_button.click()
    expect(chat.last).to_contain_text("echo: second")
    chat.finished()
    assert chat.said() == ["second"]
    number = chat.users.first.locator(".branches span")
    expect(number).to_have_text("2/2")
    chat.users.first.get_by_role("button", name="Version before").click()
    expect(chat.users).to_have_count(2)
    expect(number).to_have_text("1/2")
    assert chat.said() == ["first", "below the first"]
    chat.ask("further")
    assert chat.said() == ["first", "below the first", "further"]
    assert [content for _, content in chat.stored()][::2] == ["first", "below the first", "further"]
    chat.reload()
    assert chat.said() == ["first", "below the first", "further"]


def test_another_device_opens_the_branch_that_was_turned_to(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("first")
    chat.button("Answer again").click()
    expect(chat.last.locator(".branches span")).to_have_text("2/2")
    chat.finished()
    newest = api(chat, f"conversations/{chat.conversation}")["leaf"]
    with chat.page.expect_response(lambda response: response.request.method == "PATCH"):
        chat.last.get_by_role("button", name="Version before").click()
    assert api(chat, f"conversations/{chat.conversation}")["leaf"] != newest
    expect(chat.last.locator(".branches span")).to_have_text("1/2")


COMMENT_LATE = """async () => {
  const {Feedback} = await import(performance.getEntriesByType('resource').find((one) => /feedback[^/]*[.]js/.test(one.name)).name);
  const told = [];
  const thumbs = new Feedback((rating, comment) => told.push([rating, comment]));
  document.body.append(...thumbs.buttons, thumbs.form);
  thumbs.show({rating: 0, comment: ''}, false);
  thumbs.down.click();
  thumbs.show({rating: 0, comment: ''}, false);
  thumbs.field.value = 'It only repeats.';
  thumbs.form.requestSubmit();
  return [told, document.activeElement === thumbs.down];
}"""


def test_a_comment_belongs_to_the_thumb_that_it_was_written_for(server: Server, open_page: OpenPage) -> None:
    """Whatever the server said of the message meanwhile: it may not have heard of the thumb."""
    chat = open_page(server.port)
    assert chat.page.evaluate(COMMENT_LATE) == [[[-1, ""], [-1, "It only repeats."]], True]


def test_thumbs_are_stored_with_their_comment_and_taken_back(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("hello")
    down = chat.last.get_by_role("button", name="Bad answer")
    down.click()
    chat.last.get_by_label("Your comment").fill("It only repeats.")
    chat.last.locator(".feedback").get_by_role("button", name="Send").click()
    expect(down).to_have_attribute("aria-pressed", "true")
    expect(down).to_be_focused()
    chat.page.wait_for_load_state("networkidle")
    answer = api(chat, f"conversations/{chat.conversation}")["messages"][-1]
    assert (answer["rating"], answer["comment"]) == (-1, "It only repeats.")
    chat.reload()
    expect(down).to_have_attribute("aria-pressed", "true")
    with chat.page.expect_response(lambda response: "/feedback" in response.url):
        down.click()
    assert api(chat, f"conversations/{chat.conversation}")["messages"][-1]["rating"] == 0


def test_a_rating_that_cannot_be_stored_is_taken_back(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("hello")
    chat.page.route("**/feedback", lambda route: route.abort())
    up = chat.last.get_by_role("button", name="Good answer")
    up.click()
    expect(chat.page.locator("#note")).to_contain_text("Your rating was not saved.")
    expect(up).to_have_attribute("aria-pressed", "false")


def test_two_pages_of_one_person_show_the_same(server: Server, open_page: OpenPage) -> None:
    one = open_page(server.port)
    one.ask("hello")
    other = open_page(server.port, f"/?c={one.conversation}")
    expect(other.users).to_have_text(["hello"])
    one.say("!say 80")
    one.streaming()
    expect(other.users).to_have_text(["hello", "!say 80"])
    other.finished()
    one.finished()
    assert other.text() == one.text()
    api(one, f"conversations/{one.conversation}", "PATCH", {"title": "Renamed elsewhere"})
    expect(one.page.locator("#title")).to_have_text("Renamed elsewhere")
    expect(other.page.locator("#title")).to_have_text("Renamed elsewhere")
    api(one, f"conversations/{one.conversation}", "DELETE")
    expect(other.page.locator("#note")).to_contain_text("not there any more")
    expect(other.users).to_have_count(0)


def test_an_answer_says_what_wrote_it_and_how_fast(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("!say 20")
    expect(chat.last.locator(".figures")).to_have_text(re.compile(r"^fake · [\d.]+ tokens/s$"))
    chat.reload()
    expect(chat.last.locator(".figures")).to_have_text(re.compile(r"^fake · [\d.]+ tokens/s$"))


def test_how_long_it_thought_is_kept(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("!think hello")
    said = chat.last.locator("summary").text_content() or ""
    assert re.fullmatch(r"Thought for \d+ s", said)
    chat.reload()
    expect(chat.last.locator("summary")).to_have_text(said)


def test_many_changes_elsewhere_cost_few_requests(server: Server, open_page: OpenPage) -> None:
    """With --open everybody's messages change everybody's list."""
    chat = open_page(server.port)
    chat.ask("hello")
    other = open_page(server.port)
    asked: list[str] = []
    other.page.on("request", lambda request: asked.append(request.url) if "/api/conversations" in request.url else None)
    for number in range(12):
        api(chat, f"conversations/{chat.conversation}", "PATCH", {"title": f"title {number}"})
    expect(other.page.locator(".conversation").first).to_contain_text("title 11")
    assert 1 <= len(asked) <= 4, asked
