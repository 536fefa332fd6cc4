"""The server dies, the page is loaded anew, the app is killed: what was said is there, and the answer goes on or can be continued."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import BrowserContext, Playwright, expect

from tests.chromium import FLAGS, NETWORK_FAILS, Guard
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store
from tests.phone.conftest import FreshServer, OpenPhone
from tests.phone.phone import SCREEN, Phone, words
from tests.phone.wire import Wire

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture(autouse=True)
def _the_server_is_away(guard: Guard) -> None:
    guard.expected += NETWORK_FAILS


def test_a_killed_server_leaves_an_answer_that_can_be_continued(fresh: FreshServer, open_phone: OpenPhone) -> None:
    server = fresh()
    phone = open_phone(server.port)
    phone.ask("hello")
    phone.say("!say 200")
    phone.streaming("w40 ")
    server.kill()
    expect(phone.offline).to_be_visible()
    server.start()
    expect(phone.last).to_contain_text("Interrupted")
    phone.finished()
    cut = phone.text()
    assert words(200).startswith(cut)
    assert phone.stored()[-1] == ("assistant", cut), "what is shown is what is stored"
    phone.button("continue").tap()
    expect(phone.button("continue")).to_have_count(0)
    phone.finished()
    assert phone.text() == words(200)
    assert phone.stored() == [("user", "hello"), ("assistant", "echo: hello"), ("user", "!say 200"), ("assistant", words(200))]


def test_killed_again_while_it_continues(fresh: FreshServer, open_phone: OpenPhone) -> None:
    server = fresh()
    phone = open_phone(server.port)
    phone.say("!think !say 160")
    for seen in ("w20 ", "w60 "):
        phone.streaming(seen)
        server.kill()
        server.start()
        expect(phone.last).to_contain_text("Interrupted")
        phone.button("continue").tap()
    phone.finished()
    expect(phone.last).not_to_contain_text("Interrupted")
    assert phone.text() == words(160)
    assert phone.said() == ["!think !say 160"]


def test_messages_wait_while_the_server_is_started_again(fresh: FreshServer, open_phone: OpenPhone) -> None:
    server = fresh()
    phone = open_phone(server.port)
    wire = Wire(phone.page)
    phone.reload()
    phone.ask("zero")
    server.kill()
    expect(phone.offline).to_be_visible()
    for text in ("one", "two"):
        phone.say(text)
    expect(phone.page.locator(".message.waiting")).to_have_count(2)
    server.start()
    expect(phone.answers).to_have_count(3)
    phone.finished()
    assert phone.said() == ["zero", "one", "two"]
    assert phone.texts() == ["echo: zero", "echo: one", "echo: two"]
    assert [Store(server).messages(key) for key in wire.message_keys()] == [1, 1, 1]


def test_a_page_loaded_anew_finds_the_running_answer(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.say("!think !say 200")
    phone.streaming("w20 ")
    phone.reload()
    phone.streaming("w30 ")
    phone.finished()
    assert phone.text() == words(200)
    assert phone.said() == ["!think !say 200"]
    phone.button(phone.last.locator(".thinking").text_content() or "").tap()
    expect(phone.last.locator(".thoughts")).to_have_text("hm well ")


def test_a_page_loaded_anew_again_and_again(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.say("!say 300")
    for seen in ("w5 ", "w30 ", "w60 ", "w90 ", "w120 "):
        phone.streaming(seen)
        phone.reload()
    phone.finished()
    assert phone.text() == words(300)
    assert phone.stored() == [("user", "!say 300"), ("assistant", words(300))]


def test_what_was_being_written_is_there_after_a_reload(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.ask("hello")
    phone.field.fill("not finished")
    phone.reload()
    expect(phone.field).to_have_value("not finished")
    assert phone.said() == ["hello"]


# --- the whole browser is killed -------------------------------------------------------------------------------------------------


class Profile:
    """A browser whose data outlives it, as an installed app's does."""

    def __init__(self, playwright: Playwright, path: str, guard: Guard) -> None:
        self.playwright, self.path, self.guard = playwright, path, guard
        self.folder = Path(tempfile.mkdtemp(prefix="llmsite-profile-"))
        self.context: BrowserContext | None = None

    def start(self, server: Server) -> Phone:
        self.context = self.playwright.chromium.launch_persistent_context(
            str(self.folder), executable_path=self.path, args=FLAGS, headless=True, locale="en", **SCREEN
        )
        self.guard.watch(self.context)
        return Phone(self.context.pages[0], server.http).open()

    def kill(self) -> None:
        """`kill -9` to every process of it."""
        mine = [one for one in psutil.process_iter(["cmdline"]) if any(str(self.folder) in part for part in one.info["cmdline"] or [])]
        assert mine
        for process in mine:
            os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(mine, 30)
        self.context = None
        for left in self.folder.glob("Singleton*"):  # a killed Chromium leaves its lock, and the next one asks whether to take it
            left.unlink()

    def holds(self, text: str) -> bool:
        """Whether the browser has written this to the disk: it does so a while after it was told to store it."""
        return any(text.encode() in path.read_bytes() for path in self.folder.rglob("Local Storage/leveldb/*.log"))


@pytest.fixture
def profile(chromium: tuple[Playwright, str], guard: Guard) -> Iterator[Profile]:
    made = Profile(*chromium, guard)
    yield made
    if made.context:
        made.context.close()


def test_a_killed_app_finds_the_running_answer(fresh: FreshServer, profile: Profile) -> None:
    server = fresh()
    phone = profile.start(server)
    phone.ask("hello")
    phone.say("!say 600")
    phone.streaming("w20 ")
    conversation = phone.newest_conversation()
    phone.until(lambda: profile.holds(conversation))
    profile.kill()
    phone = profile.start(server)
    phone.streaming("w40 ")
    phone.finished()
    assert phone.text() == words(600)
    assert phone.said() == ["hello", "!say 600"]


def test_a_killed_app_still_has_what_waits(fresh: FreshServer, profile: Profile) -> None:
    server = fresh()
    phone = profile.start(server)
    phone.ask("hello")
    server.kill()
    expect(phone.offline).to_be_visible()
    phone.say("do not forget me")
    phone.until(lambda: profile.holds("do not forget me"))
    profile.kill()
    server.start()
    phone = profile.start(server)
    expect(phone.answers).to_have_count(2)
    phone.finished()
    assert phone.said() == ["hello", "do not forget me"]
    assert Store(server).count("chat_message") == 4
