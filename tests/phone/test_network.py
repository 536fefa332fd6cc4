"""The phone client on a network that fails: no character is lost or doubled, and nothing goes out twice.

The network is a TCP proxy before a real server; what is shown is compared with what the server has stored.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import NETWORK_FAILS, Guard
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store
from tests.phone.conftest import OpenPhone
from tests.phone.phone import Phone, words
from tests.phone.wire import Wire
from tests.proxy import Proxy

pytestmark = [pytest.mark.browser, pytest.mark.process]


@pytest.fixture(autouse=True)
def _the_network_fails(guard: Guard) -> None:
    guard.expected += NETWORK_FAILS


# A dead connection is found by asking at once, not by the heartbeat, which takes up to 28 s.
SOON_MS = 15_000

NO_SOCKETS = """
letThrough = false;
WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    if (!letThrough) this.close();
  }
};
"""


def changed_network(page: Page) -> None:
    """What a browser tells its pages when the phone has joined another network."""
    page.evaluate("dispatchEvent(new Event('online'))")


def whole(phone: Phone, *said: str) -> None:
    """The shown conversation is the stored one: these messages and their answers, each once."""
    phone.finished()
    stored = phone.stored()
    assert [text for role, text in stored if role == "user"] == list(said)
    assert phone.said() == list(said)
    assert phone.texts() == [text for role, text in stored if role == "assistant"]


def stored_once(server: Server, wire: Wire, *said: str) -> None:
    """Each message that was sent, however often, is in the database once under its key, and none came out of its turn."""
    store = Store(server)
    keys = wire.message_keys()
    assert [next(frame["message"] for frame in wire.of("message") if frame["key"] == key) for key in keys] == list(said)
    assert [store.messages(key) for key in keys] == [1] * len(said)


def test_a_connection_cut_in_mid_answer_is_resumed_by_number(phone_server: Server, open_phone: OpenPhone) -> None:
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        wire = Wire(phone.page)
        phone.say("!think !say 250")
        for seen in ("w20 ", "w60 "):
            phone.streaming(seen)
            proxy.cut()
            expect(phone.offline).to_be_visible()
            proxy.heal()
        whole(phone, "!think !say 250")
        expect(phone.offline).to_have_count(0)
        assert phone.text() == words(250)
        resumed = [frame["after"] for frame in wire.of("resume")]
        assert len(resumed) >= 2
        assert min(resumed) > 20, "it asks for what is missing, not for everything"
        starts = [frame for frame in wire.received if frame["type"] == "start"]
        assert len(starts) <= 1


def test_what_another_device_said_before_the_first_connection_is_there(phone_server: Server, open_phone: OpenPhone) -> None:
    """The app was killed and comes back where no socket is let through at first: what lies here shows, and nobody tells it of anything."""
    phone = open_phone(phone_server.port)
    phone.ask("one")
    phone.page.goto("about:blank")
    phone.page.add_init_script(NO_SOCKETS)
    phone.open()
    elsewhere = open_phone(phone_server.port)
    elsewhere.open_drawer()
    elsewhere.row("one").first.tap()
    elsewhere.ask("two")
    assert phone.said() == ["one"]
    phone.page.evaluate("letThrough = true")
    expect(phone.users).to_have_text(["one", "two"])
    whole(phone, "one", "two")


def test_a_connection_that_died_without_a_word_is_found_out_by_the_heartbeat(phone_server: Server, open_phone: OpenPhone) -> None:
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        phone.page.clock.install()  # 20 s of silence and 8 s without an answer pass at once, in the page alone
        phone.reload()
        phone.ask("before")
        proxy.freeze()
        phone.page.clock.fast_forward(20_500)
        phone.page.clock.fast_forward(8_500)
        expect(phone.page.locator(".thread")).to_be_visible()
        phone.say("into the void")
        phone.page.clock.fast_forward(2_000)
        expect(phone.offline).to_be_visible()
        proxy.heal()
        phone.page.clock.fast_forward(15_000)
        expect(phone.answers).to_have_count(2)
        whole(phone, "before", "into the void")


def test_a_frozen_connection_is_found_out_when_the_network_changes(phone_server: Server, open_phone: OpenPhone) -> None:
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        phone.say("!say 150")
        phone.streaming()
        proxy.freeze()
        changed_network(phone.page)
        expect(phone.offline).to_be_visible(timeout=SOON_MS)
        proxy.heal()
        whole(phone, "!say 150")
        assert phone.text() == words(150)


@pytest.mark.parametrize("lost", ["the message", "the acknowledgement"])
def test_cut_while_it_sends(phone_server: Server, open_phone: OpenPhone, lost: str) -> None:
    """The server has the message or it has it not; the phone cannot know, sends it again with the same key, and it is there once."""
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        wire = Wire(phone.page)
        phone.reload()
        phone.ask("first")
        if lost == "the message":
            proxy.freeze()
        else:
            proxy.hush()
        phone.say("am I there?")
        expect(phone.users).to_have_count(2)
        phone.page.wait_for_timeout(300)  # for what is not to be heard there is nothing to wait for
        changed_network(phone.page)
        expect(phone.offline).to_be_visible(timeout=SOON_MS)
        if lost == "the acknowledgement":
            assert ("user", "am I there?") in phone.stored(http=phone_server.http)
        proxy.heal()
        expect(phone.answers).to_have_count(2)
        whole(phone, "first", "am I there?")
        assert len([frame for frame in wire.of("message") if frame["message"] == "am I there?"]) >= 2
        stored_once(phone_server, wire, "first", "am I there?")


def test_what_is_said_offline_waits_visibly_and_goes_out_once_in_order(phone_server: Server, open_phone: OpenPhone) -> None:
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        wire = Wire(phone.page)
        phone.reload()
        phone.ask("zero")
        proxy.cut()
        expect(phone.offline).to_be_visible()
        for text in ("one", "two", "three", "four"):
            phone.say(text)
        expect(phone.page.locator(".message.waiting")).to_have_count(4)
        expect(phone.users.last).to_contain_text("Saved.")
        phone.button("take_back", phone.users.last).tap()
        expect(phone.field).to_have_value("four")
        expect(phone.page.locator(".message.waiting")).to_have_count(3)
        proxy.heal()
        changed_network(phone.page)
        expect(phone.answers).to_have_count(4)
        whole(phone, "zero", "one", "two", "three")
        stored_once(phone_server, wire, "zero", "one", "two", "three")
        assert phone.texts() == [f"echo: {text}" for text in ("zero", "one", "two", "three")]


def test_what_is_said_offline_and_cut_again_goes_out_once(phone_server: Server, open_phone: OpenPhone, guard: Guard) -> None:
    """The network comes back for moments only: each message is tried several times."""
    guard.expected.append("status of 404")  # it asks for news of a conversation that the server has not heard of yet
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        wire = Wire(phone.page)
        phone.reload()
        said = [f"message {number}" for number in range(5)]
        proxy.cut()
        for text in said:
            phone.say(text)
        for moment in (0, 5, 20, 60, 120):
            before = wire.sockets
            proxy.heal()
            changed_network(phone.page)
            phone.page.wait_for_timeout(moment)
            proxy.cut()
            assert wire.sockets >= before
        proxy.heal()
        changed_network(phone.page)
        expect(phone.answers).to_have_count(5)
        whole(phone, *said)
        stored_once(phone_server, wire, *said)


def test_a_network_that_comes_and_goes_twenty_times_while_it_streams(phone_server: Server, open_phone: OpenPhone) -> None:
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        wire = Wire(phone.page)
        phone.reload()
        phone.say("!think !slow !say 1000")  # 100 seconds, which is longer than twenty faults last even on a busy machine
        phone.streaming()
        for flap in range(20):
            struck = wire.streamed_by[-1]
            (proxy.freeze if flap % 5 == 4 else proxy.cut)()
            proxy.heal()
            changed_network(phone.page)
            # Something of the answer arrives on another socket before the next fault. That one may have begun to connect before this fault was over.
            phone.until(lambda struck=struck: wire.streamed_by[-1] > struck)
        assert phone.button("stop").is_visible(), "it was one answer all the time"
        phone.button("stop").tap()
        expect(phone.last).to_contain_text("Stopped.")
        whole(phone, "!think !slow !say 1000")
        assert words(1000).startswith(phone.text())
        assert len(phone.text()) > 100
        assert wire.sockets > 20


def test_a_stop_without_a_connection_is_carried_out_later(phone_server: Server, open_phone: OpenPhone) -> None:
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        phone.say("!say 3000")
        phone.streaming("w30 ")
        proxy.cut()
        expect(phone.offline).to_be_visible()
        phone.stop()
        proxy.heal()
        expect(phone.last).to_contain_text("Stopped.")
        whole(phone, "!say 3000")


def test_the_connection_is_looked_after_when_the_app_comes_to_the_front(phone_server: Server, open_phone: OpenPhone) -> None:
    """A phone that slept finds its dead connection at once, not at the next heartbeat."""
    with Proxy(phone_server.port) as proxy:
        phone = open_phone(proxy.port)
        wire = Wire(phone.page)
        phone.reload()
        phone.ask("before")
        sockets = wire.sockets
        proxy.freeze()
        phone.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(phone.offline).to_be_visible(timeout=SOON_MS)
        proxy.heal()
        assert phone.ask("after") == "echo: after"
        assert wire.sockets > sockets
