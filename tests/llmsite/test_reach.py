"""Where phones reach this process: looked at once, when it changed, and when somebody asks."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from llmsite import network, reach
from llmsite.network import Address
from llmsite.reach import Place, Reach

WIFI, CABLE = Address("192.168.1.7", "wlan0", "lan"), Address("10.0.0.7", "eth0", "lan")
EVERYWHERE = ("0.0.0.0",)  # noqa: S104 - said, not bound


class Computer:
    """What it sees of the network."""

    def __init__(self) -> None:
        self.addresses = [WIFI, CABLE]
        self.silent: set[Address] = set()
        self.checks = 0

    def checked(self, candidates: list[Address], port: int, instance: str) -> list[Address]:
        self.checks += 1
        return [address for address in candidates if address not in self.silent]


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    computer = Computer()
    monkeypatch.setattr(network, "addresses", lambda: list(computer.addresses))
    monkeypatch.setattr(network, "checked", computer.checked)
    return computer


def led(*hosts: str) -> Reach:
    found = Reach("me")
    found.lead(Place(hosts or EVERYWHERE, 8000))
    return found


def test_nobody_is_asked_twice_while_nothing_changes(computer: Computer) -> None:
    found = led()
    found.look()
    found.look()
    assert (found.good, computer.checks) == ([WIFI, CABLE], 1)
    assert found.at(9) == [WIFI, CABLE]
    assert computer.checks == 2, "somebody wants to know how it is now"


def test_one_that_does_not_answer_yet_is_tried_some_more_times(computer: Computer) -> None:
    computer.silent = {WIFI}
    found = led()
    for _ in range(10):
        found.look()
    assert (found.good, found.seen, computer.checks) == ([CABLE], [WIFI, CABLE], 1 + reach.TRIES)
    computer.addresses = [WIFI]
    computer.silent = set()
    found.look()
    assert found.good == [WIFI]


def test_who_wants_to_know_is_told_when_it_has_changed(computer: Computer) -> None:
    told: list[tuple[list[Address], int]] = []
    found = led()
    found.told.append(lambda addresses, port: told.append((addresses, port)))
    found.look()
    found.look(again=True)
    computer.addresses = []
    found.look()
    assert told == [([WIFI, CABLE], 8000), ([], 8000)]


@pytest.mark.usefixtures("computer")
def test_only_what_is_listened_on_counts() -> None:
    assert led(CABLE.ip).at(8000) == [CABLE]
    assert led("127.0.0.1").at(8000) == []


@pytest.mark.usefixtures("computer")
def test_before_anybody_knows_the_place_the_port_is_asked_for() -> None:
    found = Reach("me")
    found.look()
    assert found.good == []
    assert found.at(8000) == [WIFI, CABLE]


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"instance": "me"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """This process listens there, and answers as "me"."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("computer")
def test_a_server_that_says_nothing_is_found_by_its_own_sockets(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "EVERY_S", 0.01)
    assert network.own_sockets()[port] == ("127.0.0.1",)
    found = Reach("me")
    found.follow()
    deadline = time.monotonic() + 10
    while found.place is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found.close()
    assert found.place == Place(("127.0.0.1",), port)
    assert found.good == []


def test_somebody_who_leads_ends_the_following(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    found, leads = Reach("me"), threading.Event()
    monkeypatch.setattr(found._closing, "wait", lambda timeout: not leads.wait(10))
    before = threading.enumerate()
    found.follow()
    [following] = [thread for thread in threading.enumerate() if thread not in before]
    found.lead(Place(EVERYWHERE, 8000))
    leads.set()
    following.join(10)
    assert not following.is_alive()
    assert computer.checks == 0
