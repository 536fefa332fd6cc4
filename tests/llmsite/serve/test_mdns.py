"""The .local name, without a network: what is really sent is tested between two namespaces (test_netns.py)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from llmsite.network import Address
from llmsite.serve import mdns
from llmsite.serve.mdns import Publisher

WIFI, HOTSPOT, BOX = Address("192.168.1.7", "wlan0", "lan"), Address("10.42.0.1", "wlan1", "hotspot"), Address("172.17.0.1", "docker0", "virtual")


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [
        ("Laptop.fritz.box", "llmsite-laptop"),
        ("DESKTOP_AB12--x", "llmsite-desktop-ab12-x"),
        ("张三的电脑", "llmsite"),
        ("张三-pc", "llmsite-pc"),
        ("", "llmsite"),
        ("llmsite", "llmsite-llmsite"),
    ],
)
def test_a_label_of_any_computers_name(hostname: str, expected: str) -> None:
    assert mdns.label(hostname) == expected


@pytest.mark.parametrize("hostname", ["a" * 80, "a-" * 40, "ünï" * 30, "x"])
def test_all_names_are_valid_and_none_is_avahis_own(hostname: str) -> None:
    names = mdns.names(hostname)
    assert len(set(names)) == mdns.TRIES
    for name in names:
        assert re.fullmatch(r"(?=.{1,63}\.local$)[a-z0-9]+(-[a-z0-9]+)*\.local", name), name
    assert f"{hostname.lower()}.local" not in names


class Announced:
    """A Publisher whose network is only written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.publisher = Publisher()
        self.story: list[str] = []
        self.broken = False
        monkeypatch.setattr(self.publisher, "_announce", self._announce)
        monkeypatch.setattr(self.publisher, "_take_back", self._take_back)

    def _announce(self, addresses: list[Address], port: int) -> None:
        if self.broken:
            raise OSError("[Errno 19] No such device")
        self.story.append(f"{' '.join(address.ip for address in addresses)}:{port}")
        self.publisher.name = "llmsite-laptop.local"

    def _take_back(self) -> None:
        if self.publisher.name:
            self.story.append("back")
        self.publisher.name = ""

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, self.story
            time.sleep(0.005)


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Announced]:
    made = Announced(monkeypatch)
    yield made
    made.publisher.stop()
    made.publisher.join()


def test_changed_addresses_replace_the_old_ones_and_the_end_takes_them_back(announced: Announced) -> None:
    publisher = announced.publisher
    publisher.publish([HOTSPOT, WIFI, BOX], 8000)
    announced.wait(lambda: publisher.name == "llmsite-laptop.local")
    publisher.publish([WIFI], 8000)
    announced.wait(lambda: len(announced.story) == 3)
    publisher.publish([], 8000)
    announced.wait(lambda: publisher.name == "")
    publisher.publish([WIFI], 8000)
    announced.wait(lambda: publisher.name != "")
    publisher.stop()
    publisher.join()
    assert announced.story == ["10.42.0.1 192.168.1.7:8000", "back", "192.168.1.7:8000", "back", "192.168.1.7:8000", "back"]
    assert publisher.name == ""


def test_where_no_phone_is_nothing_is_published(announced: Announced) -> None:
    announced.publisher.publish([], 8000)
    announced.publisher.publish([BOX], 8000)
    assert announced.publisher._thread is None


def test_a_failure_is_one_line_and_the_next_change_tries_again(announced: Announced, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    announced.broken = True
    announced.publisher.publish([WIFI], 8000)
    announced.wait(lambda: len(caplog.records) == 1)
    assert caplog.messages == ["No .local name is published: [Errno 19] No such device"]
    announced.broken = False
    announced.publisher.publish([WIFI, HOTSPOT], 8000)
    announced.wait(lambda: announced.publisher.name != "")


def test_after_the_end_nothing_is_published(announced: Announced) -> None:
    announced.publisher.stop()
    announced.publisher.publish([WIFI], 8000)
    announced.publisher.join()
    assert announced.story == []
