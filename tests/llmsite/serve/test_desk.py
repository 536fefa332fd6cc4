from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmsite import network
from llmsite import reach as reach_module
from llmsite.network import Address
from llmsite.reach import Place, Reach
from llmsite.serve import desk as desk_module
from llmsite.serve.desk import Desk, Pairing
from llmsite.serve.screen import Screen

WIFI, CABLE, BOX = Address("192.168.1.7", "wlan0", "lan"), Address("10.0.0.7", "eth0", "lan"), Address("172.17.0.1", "docker0", "virtual")
EVERYWHERE = ("0.0.0.0",)  # noqa: S104 - said, not bound


class Computer:
    """What the desk sees of the network: change it while the desk runs."""

    def __init__(self) -> None:
        self.addresses: list[Address] = [WIFI]
        self.silent: set[Address] = set()
        self.checks = 0

    def checked(self, candidates: list[Address], port: int, instance: str) -> list[Address]:
        self.checks += 1
        assert (port, instance) == (8000, "me")
        return [address for address in candidates if address not in self.silent]


@dataclass(frozen=True)
class Code:
    code: str
    expires_at: datetime


class Codes:
    """Stands for chat.pairing: codes c1, c2, …; `used` maps a code to the phone that used it."""

    def __init__(self, minutes: float = 10) -> None:
        self.made: list[str] = []
        self.used: dict[str, str] = {}
        self.minutes = minutes

    def new(self) -> Code:
        self.made.append(f"c{len(self.made) + 1}")
        return Code(self.made[-1], datetime.now(UTC) + timedelta(minutes=self.minutes))

    def pairing(self) -> Pairing:
        return Pairing(self.new, self.used.get)


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    computer = Computer()
    monkeypatch.setattr(network, "addresses", lambda: list(computer.addresses))
    monkeypatch.setattr(network, "checked", computer.checked)
    monkeypatch.setattr(desk_module, "EVERY_S", 0.01)
    return computer


class Shown:
    """A running desk and what it has printed."""

    def __init__(self, hosts: tuple[str, ...], codes: Codes | None) -> None:
        self.out = io.StringIO()
        self.opened = threading.Event()
        pairing = codes.pairing() if codes else None
        self.names = [""]
        self.desk = Desk(Reach("me"), Place(hosts, 8000), Screen(self.out), pairing, self._greet, self.opened.set)
        self.desk.local_name = lambda: self.names[-1]
        self.desk.start()
        assert self.opened.wait(5)

    def _greet(self) -> None:
        print("greeted", file=self.out)

    @property
    def text(self) -> str:
        return self.out.getvalue()

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, self.text
            assert self.desk.is_alive(), self.text
            time.sleep(0.005)


@pytest.fixture
def shown() -> Iterator[Callable[..., Shown]]:
    desks: list[Desk] = []

    def show(*, hosts: tuple[str, ...] = EVERYWHERE, codes: Codes | None = None) -> Shown:
        showing = Shown(hosts, codes)
        desks.append(showing.desk)
        return showing

    yield show
    for desk in desks:
        desk.close()
        desk.join(5)
        assert not desk.is_alive()


@pytest.mark.usefixtures("computer")
def test_it_greets_then_shows_the_address(shown: Callable[..., Shown]) -> None:
    text = shown().text
    assert text.startswith("greeted\n  Phones   http://192.168.1.7:8000/  wlan0\n  Here     http://127.0.0.1:8000/\n")
    assert "\n  http://192.168.1.7:8000/\n" in text


def test_an_address_that_does_not_answer_is_not_shown(computer: Computer, shown: Callable[..., Shown]) -> None:
    computer.addresses, computer.silent = [WIFI, CABLE], {WIFI}
    text = shown().text
    assert WIFI.ip not in text
    assert "Left out: wlan0" in text
    assert text.count(CABLE.ip) == 2  # in the list, and as the way in


def test_an_address_that_answers_later_is_shown_then(computer: Computer, shown: Callable[..., Shown]) -> None:
    computer.silent = {WIFI}
    now = shown()
    assert "No phone can reach this computer" in now.text
    computer.silent = set()
    now.wait(lambda: "http://192.168.1.7:8000/" in now.text)


def test_it_does_not_knock_for_ever(computer: Computer, shown: Callable[..., Shown]) -> None:
    computer.silent = {WIFI}
    now = shown()
    now.wait(lambda: computer.checks == reach_module.TRIES + 1)
    time.sleep(0.1)
    assert computer.checks == reach_module.TRIES + 1


def test_no_network_says_so_and_the_address_appears_by_itself(computer: Computer, shown: Callable[..., Shown]) -> None:
    computer.addresses = []
    now = shown()
    assert "No phone can reach this computer" in now.text
    assert "Here     http://127.0.0.1:8000/" in now.text
    computer.addresses = [WIFI]
    now.wait(lambda: "addresses have changed" in now.text)
    now.wait(lambda: now.text.endswith("camera.\n"))
    assert "http://192.168.1.7:8000/" in now.text


@pytest.mark.usefixtures("computer")
def test_listening_on_loopback_alone_says_what_to_do(shown: Callable[..., Shown]) -> None:
    text = shown(hosts=("127.0.0.1",)).text
    assert "Only this computer can reach it, because it listens on 127.0.0.1 alone" in text
    assert WIFI.ip not in text


def test_listening_on_one_address_shows_no_other(computer: Computer, shown: Callable[..., Shown]) -> None:
    computer.addresses = [WIFI, CABLE]
    text = shown(hosts=(CABLE.ip,)).text
    assert WIFI.ip not in text
    assert "127.0.0.1" not in text


@pytest.mark.usefixtures("computer")
def test_a_code_lets_one_phone_in(shown: Callable[..., Shown]) -> None:
    codes = Codes()
    now = shown(codes=codes)
    assert "http://192.168.1.7:8000/pair/?code=c1" in now.text
    assert "within 10 minutes" in now.text
    codes.used["c1"] = "Ann's phone"
    now.wait(lambda: "Paired: Ann's phone" in now.text)
    time.sleep(0.05)
    assert now.text.count("Paired") == 1


def test_a_changed_address_keeps_the_code_that_nobody_used(computer: Computer, shown: Callable[..., Shown]) -> None:
    codes = Codes()
    now = shown(codes=codes)
    computer.addresses = [CABLE]
    now.wait(lambda: "http://10.0.0.7:8000/pair/?code=c1" in now.text)
    assert codes.made == ["c1"]


def test_a_changed_address_does_not_spread_a_code_that_is_used_or_too_old(computer: Computer, shown: Callable[..., Shown]) -> None:
    codes = Codes(minutes=0.4)
    now = shown(codes=codes)
    computer.addresses = [CABLE]
    now.wait(lambda: "http://10.0.0.7:8000/pair/?code=c2" in now.text)


@pytest.mark.usefixtures("computer")
def test_the_local_name_is_said_once_it_is_known(shown: Callable[..., Shown]) -> None:
    now = shown()
    assert ".local" not in now.text
    now.names.append("llmsite-laptop.local")
    now.wait(lambda: "\n  Name     http://llmsite-laptop.local:8000/ (" in now.text)
    time.sleep(0.05)
    assert now.text.count("Name") == 1


@pytest.mark.usefixtures("computer")
def test_it_says_where_this_computer_shows_the_code_larger(shown: Callable[..., Shown]) -> None:
    assert "\n  Pairing  http://127.0.0.1:8000/pair/ (" in shown(codes=Codes()).text


@pytest.mark.usefixtures("computer")
def test_with_open_there_is_no_code(shown: Callable[..., Shown]) -> None:
    assert "code" not in shown().text


@pytest.mark.usefixtures("computer")
def test_with_open_the_code_leads_to_the_phone_client_where_it_is_built(shown: Callable[..., Shown], tmp_path: Path, settings: Any) -> None:
    (tmp_path / "index.html").touch()
    settings.CONFIG = replace(settings.CONFIG, phone_client=tmp_path)
    text = shown().text
    assert "\n  http://192.168.1.7:8000/m/\n" in text
    assert "Phones   http://192.168.1.7:8000/  " in text, "what is typed stays short"


@pytest.mark.usefixtures("computer")
def test_a_failure_ends_the_desk_and_is_logged(
    shown: Callable[..., Shown], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = shown()

    def fail() -> list[Address]:
        raise RuntimeError("no interfaces today")

    monkeypatch.setattr(network, "addresses", fail)
    now.desk.join(5)
    assert not now.desk.is_alive()
    assert "no interfaces today" in caplog.text
