"""The hotspot's address changes while a phone is connected: the App finds its computer and goes on, and tells nothing to another one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.llmsite.serve.netns import PHONE, PORT, Network, network
from tests.llmsite.serve.process import Serving, serving
from tests.phone import standins
from tests.phone.app_phone import AppPhone, said

pytestmark = [pytest.mark.netns, pytest.mark.process]

HOME, HOTSPOT = "192.168.77.1", "10.42.0.1"
PHONES = {HOME: "192.168.77.2", HOTSPOT: "10.42.0.2"}


@pytest.fixture
def net() -> Iterator[Network]:
    with network() as made:
        yield made


@contextmanager
def app_on_the_phone(net: Network, stored: Path) -> Iterator[AppPhone]:
    """`.local` names are asked for over the wire, from the address that the phone has in the hotspot's network."""
    finder = [sys.executable, str(PHONE), "find_from", PHONES[HOTSPOT]]
    phone = AppPhone(stored, prefix=["ip", "netns", "exec", net.phone], finder=finder)
    try:
        yield phone
    finally:
        phone.end()


def code_of(server: Serving) -> str:
    return server.wait_for("/pair/?code=").split("code=")[1].strip()


def base(address: str) -> str:
    return f"http://{address}:{PORT}"


def paired(net: Network, server: Serving, phone: AppPhone) -> dict[str, Any]:
    phone.do("type", text=f"{base(HOME)}/pair/?code={code_of(server)}")
    return phone.online()


def move(net: Network, server: Serving) -> None:
    """The computer opens its hotspot instead, and the phone joins that."""
    net.add(HOTSPOT, phone=PHONES[HOTSPOT])
    net.remove(HOME)
    server.wait_for("addresses have changed", timeout=20)


def goes_on(phone: AppPhone, before: dict[str, Any], where: str) -> None:
    """With the same person, the same conversation, and what was written meanwhile, once."""
    after = phone.until(lambda now: now["online"] and ("assistant", "echo: meanwhile") in said(now))
    assert after["server"]["base"] == where
    assert [after["server"][name] for name in ("id", "token", "owner")] == [before["server"][name] for name in ("id", "token", "owner")]
    assert after["conversation"] == before["conversation"]
    assert said(after) == [("user", "hello"), ("assistant", "echo: hello"), ("user", "meanwhile"), ("assistant", "echo: meanwhile")]
    assert after["waiting"] == 0
    assert len(after["servers"]) == 1
    assert after["servers"][0]["bases"][0] == where


def test_it_is_found_by_an_address_that_it_had_before(net: Network, tmp_path: Path) -> None:
    net.add(HOME, phone=PHONES[HOME])
    net.add(HOTSPOT, phone=PHONES[HOTSPOT])
    with serving(tmp_path / "data", "--no-qr", prefix=net.on_the_computer) as server, app_on_the_phone(net, tmp_path / "phone.json") as phone:
        code = code_of(server)
        phone.do("type", text=f"{base(HOTSPOT)}/pair/?code={code}")
        phone.online()
        phone.do("type", text=base(HOME))
        before = phone.until(lambda now: now["online"] and now["server"]["base"] == base(HOME))
        assert before["servers"][0]["bases"] == [base(HOME), base(HOTSPOT)]
        before = phone.answered("hello", "echo: hello")
        net.remove(HOME)
        server.wait_for("addresses have changed", timeout=20)
        phone.do("network", kind="wifi")
        phone.do("say", text="meanwhile")
        goes_on(phone, before, base(HOTSPOT))


def test_it_is_found_by_its_name(net: Network, tmp_path: Path) -> None:
    net.add(HOME, phone=PHONES[HOME])
    mdns = {"LLMSITE_MDNS": "1"}
    with (
        serving(tmp_path / "data", "--no-qr", prefix=net.on_the_computer, env=mdns) as server,
        app_on_the_phone(net, tmp_path / "phone.json") as phone,
    ):
        paired(net, server, phone)
        before = phone.answered("hello", "echo: hello")
        server.wait_for(".local:8000/ (")
        phone.do("network", kind="wifi")  # it looks again, and the computer has its name by now
        name = phone.until(lambda now: now["servers"][0]["host"])["servers"][0]["host"]
        assert name.endswith(".local")
        move(net, server)
        phone.do("network", kind="wifi")
        phone.do("say", text="meanwhile")
        goes_on(phone, before, f"http://{name}:{PORT}")


def test_another_computer_at_the_old_address_hears_nothing(net: Network, tmp_path: Path) -> None:
    net.add(HOME, phone=PHONES[HOME])
    net.add(HOTSPOT, phone=PHONES[HOTSPOT])
    with app_on_the_phone(net, tmp_path / "phone.json") as phone:
        with serving(tmp_path / "data", "--no-qr", prefix=net.on_the_computer) as server:
            paired(net, server, phone)
            before = phone.answered("hello", "echo: hello")
            server.end()
        command = [*net.on_the_computer, sys.executable, "-m", standins.__name__, HOME, str(PORT)]
        root = str(Path(__file__).resolve().parents[2])
        other = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert other.stdout
        try:
            assert other.stdout.readline() == "answers\n"
            with serving(tmp_path / "data", "--no-qr", "--host", HOTSPOT, prefix=net.on_the_computer) as server:
                server.wait_for("Phones")
                phone.do("network", kind="wifi")
                phone.do("say", text="meanwhile")
                phone.do("choose", id=before["server"]["id"])
                assert phone.step("problem")["said"]["title"].startswith("Another computer has the address of")
                phone.do("type", text=base(HOTSPOT))
                goes_on(phone, before, base(HOTSPOT))
        finally:
            asked = json.loads(other.communicate(timeout=10)[0])
        assert asked
        assert {(path.split("?")[0], shown) for _, path, shown in asked} == {("/healthz", "")}
