"""The list of conversations on the phone: found, renamed, pinned, deleted and brought back, exported; kept on the phone, and in step with others."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import NETWORK_FAILS, Guard, serious
from tests.end_to_end.http import ask
from tests.end_to_end.server import Server
from tests.phone.conftest import FreshServer, OpenPhone
from tests.phone.phone import Phone, words

pytestmark = [pytest.mark.browser, pytest.mark.process]


def talk(phone: Phone, *texts: str) -> None:
    """A conversation for each."""
    for text in texts:
        if phone.answers.count():
            phone.new_chat()
        phone.ask(text)


def act(phone: Phone, title: str, what: str) -> None:
    """Press an entry of a row's menu."""
    phone.row(title).get_by_role("button", name=f"Actions for “{title}”").tap()
    phone.page.get_by_role("menuitem", name=what, exact=True).tap()


def titles(phone: Phone) -> list[str]:
    return [text.strip() for text in phone.drawer.locator(".conversation-title").all_text_contents()]


def stored_titles(phone: Phone) -> list[str]:
    return [item["title"] for item in phone.api("conversations")["items"]]


def search(phone: Phone, text: str) -> None:
    phone.drawer.locator(".drawer-search input").fill(text)


@contextmanager
def only_the_client(server: Server, h5: Path) -> Iterator[None]:
    """The client lies on the phone, as an app's does, and its computer is away: in its place something gives the files, and else hangs up."""

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(h5))

        def do_GET(self) -> None:
            if not self.path.startswith("/m/"):
                return self.connection.close()
            self.path = self.path.removeprefix("/m")
            super().do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    files = ThreadingHTTPServer(("127.0.0.1", server.port), Files)
    thread = threading.Thread(target=files.serve_forever)
    thread.start()
    try:
        yield
    finally:
        files.shutdown()
        files.server_close()
        thread.join()


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    touch = page.context.new_cdp_session(page)
    steps = 8
    for step in range(steps + 1):
        x, y = (start[place] + (end[place] - start[place]) * step / steps for place in (0, 1))
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove" if step else "touchStart", "touchPoints": [{"x": x, "y": y}]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.fixture
def away(guard: Guard) -> None:
    guard.expected += NETWORK_FAILS


# --- what is done with one ---------------------------------------------------------------------------------------------------------------


def test_a_message_is_found_and_shown(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    talk(phone, "tell me of zebras and of giraffes", "nothing of that kind")
    phone.open_drawer()
    search(phone, "giraffes zeb")
    expect(phone.drawer.locator("[data-message]").first).to_contain_text("Model: echo: tell me of zebras")
    expect(phone.drawer.locator(".marked-hit").first).to_have_text(re.compile("zeb|giraffes"))
    assert not serious(phone.page)
    phone.drawer.locator("[data-message] .tap").last.tap()
    expect(phone.users).to_contain_text("tell me of zebras and of giraffes")
    expect(phone.drawer).to_be_hidden()
    phone.open_drawer()
    search(phone, "xylophones")
    expect(phone.drawer.get_by_role("status")).to_have_text("Nothing found for “xylophones”.")
    phone.drawer.get_by_role("button", name="Clear the search").tap()
    expect(phone.row("nothing of that kind")).to_be_visible()


def test_rename_and_pin(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    talk(phone, "to be renamed", "the newest")
    phone.open_drawer()
    act(phone, "to be renamed", "Rename")
    phone.page.get_by_role("dialog", name="New title").locator("input").fill("another name")
    phone.page.get_by_role("dialog", name="New title").get_by_role("button", name="Rename").tap()
    expect(phone.row("another name")).to_be_visible()
    act(phone, "another name", "Pin")
    expect(phone.drawer.locator(".rows-name").first).to_have_text("Pinned")
    assert titles(phone)[0] == "another name"
    expect(phone.row("another name").get_by_role("img", name="Pinned")).to_be_visible()
    assert not serious(phone.page)
    assert stored_titles(phone)[0] == "another name"
    act(phone, "another name", "Unpin")
    expect(phone.drawer.locator(".conversation-title").first).to_have_text("the newest")


def test_deleted_and_brought_back(phone_server: Server, open_phone: OpenPhone, guard: Guard) -> None:
    guard.expected.append("status of 404")  # it may be asking for what is being deleted
    phone = open_phone(phone_server.port)
    talk(phone, "to be deleted")
    phone.open_drawer()
    act(phone, "to be deleted", "Delete")
    expect(phone.row("to be deleted")).to_have_count(0)
    expect(phone.page.locator(".toast")).to_contain_text("“to be deleted” deleted.")
    expect(phone.page.locator(".welcome")).to_be_attached()
    phone.page.locator(".toast").get_by_role("button", name="Undo").tap()
    expect(phone.row("to be deleted")).to_be_visible()
    expect(phone.users).to_have_text(re.compile("to be deleted"))
    assert "to be deleted" in stored_titles(phone)
    act(phone, "to be deleted", "Delete")
    expect(phone.row("to be deleted")).to_have_count(0)
    phone.reload()
    phone.open_drawer()
    expect(phone.row("to be deleted")).to_have_count(0)
    assert "to be deleted" not in stored_titles(phone)


def test_taken_along_as_a_file(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    talk(phone, "what is / in a file?")
    phone.open_drawer()
    for what, ending in (("Export as Markdown", "md"), ("Export as JSON", "json")):
        with phone.page.expect_download() as download:
            act(phone, "what is / in a file?", what)
        assert download.value.suggested_filename == f"what is in a file.{ending}"
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert "echo: what is / in a file?" in (json.loads(text)["messages"][1]["content"] if ending == "json" else text)


def test_drawn_in_and_pushed_away_with_a_finger(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    drag(phone.page, (4, 400), (260, 410))
    expect(phone.drawer).to_be_visible()
    expect(phone.drawer).to_have_attribute("role", "dialog")
    drag(phone.page, (250, 500), (20, 510))
    expect(phone.drawer).to_be_hidden()
    drag(phone.page, (4, 400), (60, 402))
    phone.open_drawer()
    phone.page.keyboard.press("Escape")
    expect(phone.drawer).to_be_hidden()
    phone.open_drawer()
    phone.page.go_back()
    expect(phone.drawer).to_be_hidden()
    expect(phone.field).to_be_visible()


def test_a_long_press_opens_the_menu_and_nothing_else(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    talk(phone, "pressed for long")
    phone.new_chat()
    phone.open_drawer()
    phone.page.wait_for_function("() => !document.getAnimations().length")  # the drawer has come
    box = phone.row("pressed for long").bounding_box()
    assert box
    touch = phone.page.context.new_cdp_session(phone.page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": box["x"] + 40, "y": box["y"] + 20}]})
    expect(phone.page.get_by_role("menuitem", name="Rename")).to_be_visible()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(phone.page.get_by_role("menuitem", name="Rename")).to_be_visible()
    phone.page.keyboard.press("Escape")
    expect(phone.row("pressed for long")).to_be_visible()
    expect(phone.users).to_have_count(0)


def test_beside_the_chat_where_there_is_room(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port, viewport={"width": 1200, "height": 800}, is_mobile=False)
    talk(phone, "on a wide screen")
    expect(phone.row("on a wide screen")).to_be_visible()
    expect(phone.page.get_by_role("navigation", name="Conversations")).to_be_visible()
    expect(phone.button("drawer")).to_have_count(0)
    phone.new_chat()
    phone.row("on a wide screen").locator(".conversation-tap").tap()
    expect(phone.users).to_have_text(re.compile("on a wide screen"))
    assert not serious(phone.page)


def test_the_list_follows_the_answer_that_is_read(phone_server: Server, open_phone: OpenPhone) -> None:
    """Its dot goes with the answer's end, and its line says what was answered."""
    phone = open_phone(phone_server.port, viewport={"width": 1200, "height": 800}, is_mobile=False)
    phone.say("!say 41")
    phone.streaming()
    row = phone.drawer.locator(".conversation-open")
    expect(row.locator(".conversation-dot")).to_be_visible()
    phone.finished()
    expect(row.locator(".conversation-dot")).to_have_count(0, timeout=1_000)
    expect(row).to_contain_text(words(3))


def test_many_are_listed_as_one_scrolls(fresh: FreshServer, open_phone: OpenPhone) -> None:
    server = fresh(LLMSITE_LIMITS__REQUESTS_PER_MINUTE="100000")
    for number in range(130):
        body = {"format": "llmsite-conversation", "version": 1, "title": f"number {number}", "messages": []}
        assert ask(server, "POST", "/api/conversations/import", None, body).status == 201
    phone = open_phone(server.port)
    phone.open_drawer()
    expect(phone.drawer.locator(".conversation")).to_have_count(50)
    for _ in range(6):
        phone.drawer.locator(".conversation").last.scroll_into_view_if_needed()
        phone.page.wait_for_timeout(300)
    expect(phone.row("number 0").last).to_be_attached()
    expect(phone.drawer.locator(".conversation")).to_have_count(130)


# --- without the computer ------------------------------------------------------------------------------------------------------------------


def test_history_without_the_computer(fresh: FreshServer, open_phone: OpenPhone, h5: Path, away: None) -> None:
    server = fresh()
    phone = open_phone(server.port)
    talk(phone, "the first one", "the second one", "the third one")
    phone.open_drawer()
    expect(phone.drawer.locator(".conversation")).to_have_count(3)
    kept(phone, "the first one", "the second one", "the third one")
    server.kill()
    with only_the_client(server, h5):
        phone.page.reload()
        phone.ready()
    expect(phone.users).to_have_text(re.compile("the third one"))
    phone.open_drawer()
    assert titles(phone) == ["the third one", "the second one", "the first one"]
    expect(phone.drawer.locator(".drawer-state")).to_have_text("Not connected")
    phone.row("the first one").locator(".conversation-tap").tap()
    expect(phone.users).to_have_text(re.compile("the first one"))
    expect(phone.answers).to_contain_text("echo: the first one")
    phone.open_drawer()
    search(phone, "SECOND")
    expect(phone.drawer).to_contain_text("only what is on this phone was searched")
    phone.drawer.locator("[data-message] .tap").last.tap()
    expect(phone.users).to_have_text(re.compile("the second one"))
    # What is done meanwhile waits, over a reload as well.
    phone.open_drawer()
    phone.drawer.get_by_role("button", name="Clear the search").tap()
    act(phone, "the first one", "Pin")
    act(phone, "the second one", "Delete")
    with only_the_client(server, h5):
        phone.page.reload()
        phone.ready()
    phone.open_drawer()
    expect(phone.row("the second one")).to_have_count(0)
    assert titles(phone) == ["the first one", "the third one"]
    server.start()
    expect(phone.drawer.locator(".drawer-state")).to_have_text("Connected")
    phone.page.wait_for_function(
        "async () => (await (await fetch('/api/conversations')).json()).items.map((one) => one.title).join() === 'the first one,the third one'"
    )
    assert titles(phone) == ["the first one", "the third one"]


def kept(phone: Phone, *names: str) -> None:
    """Until these lie on the phone with their messages."""
    phone.page.wait_for_function(
        """(names) => names.every((name) =>
            Object.entries(localStorage).some(([key, text]) => key.includes('.kept.page.') && text.includes(`echo: ${name}`)))""",
        arg=list(names),
    )


def test_a_conversation_that_has_not_gone_out_is_listed(fresh: FreshServer, open_phone: OpenPhone, h5: Path, away: None) -> None:
    server = fresh()
    phone = open_phone(server.port)
    talk(phone, "was there before")
    server.kill()
    expect(phone.offline).to_be_visible()
    phone.new_chat()
    phone.say("said into the void")
    phone.new_chat()
    phone.open_drawer()
    expect(phone.drawer.locator(".rows-name").first).to_have_text("Not sent yet")
    phone.row("said into the void").locator(".conversation-tap").tap()
    expect(phone.users).to_have_text(re.compile("said into the void"))
    server.start()
    phone.finished()
    assert phone.text() == "echo: said into the void"
    phone.open_drawer()
    expect(phone.drawer.locator(".rows-name").first).to_have_text("Today")
    assert titles(phone) == ["said into the void", "was there before"]


def test_killed_in_mid_answer_without_the_computer(fresh: FreshServer, open_phone: OpenPhone, h5: Path, away: None) -> None:
    server = fresh()
    phone = open_phone(server.port)
    phone.say("!say 400")
    phone.streaming("w60 ")
    phone.page.wait_for_function("() => Object.entries(localStorage).some(([key, text]) => key.includes('.kept.page.') && text.includes('w20 '))")
    server.kill()
    with only_the_client(server, h5):
        phone.page.reload()
        phone.ready()
    expect(phone.last).to_contain_text("w20 ")
    assert words(400).startswith(phone.text())
    expect(phone.button("stop")).to_be_visible()
    server.start()
    expect(phone.last).to_contain_text("Interrupted")
    assert phone.stored()[-1] == ("assistant", phone.text()), "the computer's word holds"


def test_what_is_kept_shows_before_the_computer_answers(fresh: FreshServer, open_phone: OpenPhone) -> None:
    server = fresh()
    phone = open_phone(server.port)
    talk(phone, "one", "two")
    kept(phone, "one", "two")
    phone.page.context.route("**/api/conversations/**", lambda route: None)  # never answered
    phone.open_drawer()
    phone.row("one").locator(".conversation-tap").tap()
    expect(phone.answers).to_have_text(re.compile("echo: one"))


# --- several phones of one person ------------------------------------------------------------------------------------------------------------


def test_two_phones_are_in_step(fresh: FreshServer, open_phone: OpenPhone, guard: Guard) -> None:
    server = fresh()
    guard.expected.append("404")  # the open conversation is asked for when it is deleted elsewhere
    one, two = open_phone(server.port), open_phone(server.port)
    two.open_drawer()
    talk(one, "from the first")
    expect(two.row("from the first")).to_be_visible()
    two.row("from the first").locator(".conversation-tap").tap()
    expect(two.answers).to_have_text(re.compile("echo: from the first"))
    one.say("!say 200")
    two.streaming("w10 ")
    two.open_drawer()
    expect(two.row("from the first").get_by_role("img", name="An answer is being written")).to_be_visible()
    one.finished()
    two.finished()
    assert two.text() == one.text() == words(200)
    expect(two.row("from the first").get_by_role("img", name="An answer is being written")).to_have_count(0)
    one.open_drawer()
    act(one, "from the first", "Pin")
    expect(two.drawer.locator(".rows-name").first).to_have_text("Pinned")
    act(two, "from the first", "Delete")
    expect(one.row("from the first")).to_have_count(0)
    expect(one.users).to_have_count(0)
