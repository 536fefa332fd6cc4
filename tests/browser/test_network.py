"""The chat page on a network that fails, on servers that die, and in several tabs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.chat import Chat, words
from tests.browser.conftest import OpenPage
from tests.end_to_end.server import Server
from tests.proxy import Proxy

pytestmark = [pytest.mark.browser, pytest.mark.process]


def test_a_connection_cut_in_mid_answer_is_resumed(server: Server, open_page: OpenPage) -> None:
    with Proxy(server.port) as proxy:
        chat = open_page(proxy.port)
        chat.say("!think !say 250")
        for seen in ("w20 ", "w60 "):
            chat.streaming(seen)
            proxy.cut()
            expect(chat.page.locator("#offline")).to_be_visible()
            proxy.heal()
        chat.finished()
        expect(chat.page.locator("#offline")).to_be_hidden()
        assert chat.text() == words(250)
        assert chat.said() == ["!think !say 250"]


def test_a_connection_that_died_without_a_word_is_found_out(server: Server, open_page: OpenPage) -> None:
    with Proxy(server.port) as proxy:
        chat = open_page(proxy.port)
        chat.say("!say 150")
        chat.streaming()
        proxy.freeze()
        chat.page.evaluate("dispatchEvent(new Event('online'))")  # the phone has changed its network
        expect(chat.page.locator("#offline")).to_be_visible()
        proxy.heal()
        chat.finished()
        assert chat.text() == words(150)


def test_what_another_device_said_while_the_page_came_is_there(server: Server, open_page: OpenPage) -> None:
    """A slow network: between the page's own data and its connection nobody tells it of anything."""
    chat = open_page(server.port)
    chat.ask("one")
    late = Chat(chat.page.context.new_page(), chat.http)
    held: list[Route] = []
    late.page.route("**/session*.js*", lambda route: held.append(route))
    with late.page.expect_request("**/session*.js*"):
        late.page.goto(chat.page.url, wait_until="commit")
    chat.ask("two")
    elsewhere = open_page(server.port)
    elsewhere.ask("three")
    held[0].continue_()
    expect(late.users).to_have_text(["one", "two"])
    expect(late.last.locator(".text")).to_have_text("echo: two")
    expect(late.page.locator(".conversation").filter(has_text="three")).to_have_count(1)


def test_a_stop_without_a_connection_is_carried_out_later(server: Server, open_page: OpenPage) -> None:
    with Proxy(server.port) as proxy:
        chat = open_page(proxy.port)
        chat.say("!say 3000")
        chat.streaming()
        proxy.cut()
        expect(chat.page.locator("#offline")).to_be_visible()
        chat.stop()
        expect(chat.page.locator("#hint")).to_contain_text("as soon as the computer hears of it")
        proxy.heal()
        expect(chat.last).to_contain_text("Stopped.")
        chat.finished()
        assert chat.stored()[-1] == ("assistant", chat.text())


def test_what_is_said_offline_goes_out_once_and_in_order(server: Server, open_page: OpenPage) -> None:
    with Proxy(server.port) as proxy:
        chat = open_page(proxy.port)
        chat.ask("zero")
        proxy.cut()
        expect(chat.page.locator("#offline")).to_be_visible()
        for text in ("one", "two", "three"):
            chat.say(text)
        expect(chat.page.locator(".message.waiting")).to_have_count(3)
        expect(chat.users.last).to_contain_text("Saved.")
        chat.button("Take back").last.click()
        expect(chat.field).to_have_value("three")
        proxy.heal()
        chat.finished()
        expect(chat.answers).to_have_count(3)
        assert chat.said() == ["zero", "one", "two"]
        said = ["zero", "one", "two"]
        assert chat.stored() == [(role, text) for one in said for role, text in (("user", one), ("assistant", f"echo: {one}"))]


def test_what_waits_survives_a_reload_of_the_page(server: Server, open_page: OpenPage) -> None:
    with Proxy(server.port) as proxy:
        chat = open_page(proxy.port)
        # The page still loads, but its socket never opens: what is said stays with it.
        chat.page.route_web_socket("**/ws/chat/**", lambda socket: socket.close())
        chat.reload()
        chat.say("do not forget me")
        expect(chat.page.locator(".message.waiting")).to_have_count(1)
        chat.reload()
        expect(chat.page.locator(".message.waiting .text")).to_have_text(["do not forget me"])
        chat = open_page(proxy.port, f"/?c={chat.conversation}", within=chat.page.context)
        chat.finished()
        expect(chat.answers).to_have_count(1)
        assert chat.stored() == [("user", "do not forget me"), ("assistant", "echo: do not forget me")]


def test_a_killed_server_leaves_an_answer_that_can_be_continued(fresh: Callable[..., Server], open_page: OpenPage) -> None:
    server = fresh()
    chat = open_page(server.port)
    chat.ask("hello")
    chat.say("!say 200")
    chat.streaming("w40 ")
    server.kill()
    expect(chat.page.locator("#offline")).to_be_visible()
    server.start()
    expect(chat.last).to_contain_text("Interrupted")
    cut = chat.text()
    assert words(200).startswith(cut)
    assert chat.stored()[-1] == ("assistant", cut), "what is shown is what is stored"
    chat.button("Continue").click()
    chat.finished()
    assert chat.text() == words(200)


def test_two_tabs_of_one_person(server: Server, open_page: OpenPage) -> None:
    first = open_page(server.port)
    first.say("!say 200")
    first.streaming()
    second = open_page(server.port, f"/?c={first.conversation}", within=first.page.context)
    second.streaming("w30 ")
    second.stop()
    for chat in (first, second):
        expect(chat.last).to_contain_text("Stopped.")
    assert first.text() == second.text()
    second.ask("from the second tab")
    first.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the first tab is looked at again
    expect(first.users).to_have_count(2)
    first.ask("from the first tab")
    assert [text for role, text in first.stored() if role == "user"] == ["!say 200", "from the second tab", "from the first tab"]


def test_the_place_in_the_queue_is_shown(fresh: Callable[..., Server], open_page: OpenPage) -> None:
    server = fresh(LLMSITE_MAX_STREAMS="1")
    chats = [open_page(server.port) for _ in range(3)]
    for chat in chats:
        chat.say("!say 100")
        expect(chat.answers).to_have_count(1)
    expect(chats[1].last).to_contain_text("Next in line")
    expect(chats[2].last).to_contain_text("1 ahead in line")
    chats[0].stop()
    expect(chats[2].last).to_contain_text("Next in line")
    chats[1].stop()
    chats[2].streaming()


def test_the_page_turns_to_another_conversation_only_when_it_can(server: Server, open_page: OpenPage) -> None:
    with Proxy(server.port) as proxy:
        chat = open_page(proxy.port)
        chat.ask("far away")
        other = open_page(proxy.port)
        proxy.cut()
        other.page.locator(".conversation", has_text="far away").first.click()
        expect(other.page.locator("#note")).to_contain_text("cannot be reached")
        proxy.heal()
        other.page.locator(".conversation", has_text="far away").first.click()
        expect(other.users).to_have_text(["far away"])
