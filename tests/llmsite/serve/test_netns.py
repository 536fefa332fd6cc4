"""The server in one network namespace, a phone in another, a cable between: nothing leaves the two."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from llmsite.serve import mdns
from tests.end_to_end.server import Server
from tests.llmsite.serve.netns import PORT, Network, ip, network
from tests.llmsite.serve.process import ROOT, START_S, environment, serving

fcntl, pty, termios = (pytest.importorskip(name, reason="network namespaces are Linux's") for name in ("fcntl", "pty", "termios"))
pytestmark = [pytest.mark.netns, pytest.mark.process]

REDEEM = "import django, sys; django.setup(); from chat.pairing import redeem; redeem(code=sys.argv[1], name='Test phone')"


def everywhere(kind: Literal["uvicorn", "daphne", "runserver"]) -> list[str]:
    """How that server is started for the whole network."""
    everything = "0.0.0.0"  # noqa: S104 - within its namespace
    match kind:
        case "uvicorn":
            return [sys.executable, "-m", "uvicorn", "llmsite.asgi:application", "--host", everything, "--port", str(PORT)]
        case "daphne":
            return [sys.executable, "-m", "daphne", "-b", everything, "-p", str(PORT), "llmsite.asgi:application"]
        case "runserver":
            return [sys.executable, "manage.py", "runserver", f"{everything}:{PORT}"]


@pytest.fixture
def net() -> Iterator[Network]:
    with network() as made:
        yield made


def test_a_phone_reaches_the_address_that_is_shown(net: Network, tmp_path: Path) -> None:
    net.add("192.168.77.1", phone="192.168.77.2")
    with serving(tmp_path, "--open", prefix=net.on_the_computer) as server:
        line = server.wait_for("Phones")
        assert "http://192.168.77.1:8000/  wlan0" in line
        assert '"status": "ready"' in net.get("http://192.168.77.1:8000/healthz")
        server.wait_for("  http://192.168.77.1:8000/")  # what the QR code says


def test_a_new_address_is_noticed_and_works(net: Network, tmp_path: Path) -> None:
    net.add("192.168.77.1", phone="192.168.77.2")
    with serving(tmp_path, "--open", prefix=net.on_the_computer) as server:
        server.wait_for("Scan it")
        net.add("192.168.78.1", phone="192.168.78.2")
        net.remove("192.168.77.1")
        server.wait_for("addresses have changed", timeout=15)
        assert "http://192.168.78.1:8000/" in server.wait_for("Phones", timeout=15)
        assert '"status": "ready"' in net.get("http://192.168.78.1:8000/healthz")


def test_without_a_network_it_says_so_and_waits_for_one(net: Network, tmp_path: Path) -> None:
    with serving(tmp_path, "--open", prefix=net.on_the_computer) as server:
        server.wait_for("it is in no network")
        assert "Phones" not in "\n".join(server.lines)
        net.add("10.42.0.1")
        assert "http://10.42.0.1:8000/  wlan0, hotspot" in server.wait_for("Phones", timeout=15)


def test_only_the_address_that_is_listened_on_is_shown(net: Network, tmp_path: Path) -> None:
    net.add("192.168.77.1")
    net.add("192.168.78.1")
    with serving(tmp_path, "--open", "--host", "192.168.78.1", prefix=net.on_the_computer) as server:
        server.wait_for("Scan it")
        said = "\n".join(server.lines)
    assert "192.168.78.1" in said
    assert "192.168.77.1" not in said


def test_a_firewalled_address_is_not_shown(net: Network, tmp_path: Path) -> None:
    if not shutil.which("nft"):
        pytest.skip("the command nft is missing (package nftables)")
    net.add("192.168.77.1")
    net.add("192.168.78.1")
    rules = "add table ip t; add chain ip t in { type filter hook input priority 0; }; add rule ip t in ip daddr 192.168.77.1 tcp dport 8000 drop"
    subprocess.run([*net.on_the_computer, "nft", rules], check=True, capture_output=True)
    with serving(tmp_path, "--open", prefix=net.on_the_computer) as server:
        server.wait_for("Scan it")
        said = "\n".join(server.lines)
    assert "http://192.168.78.1:8000/" in said
    assert "192.168.77.1" not in said
    assert "Left out: wlan0" in said


def test_ipv6(net: Network, tmp_path: Path) -> None:
    ip("address", "add", "fd77::1/64", "dev", "wlan0", "nodad", inside=net.computer)
    ip("address", "add", "fd77::2/64", "dev", "wlan0", "nodad", inside=net.phone)
    with serving(tmp_path, "--open", "--host", "::", prefix=net.on_the_computer) as server:
        assert "http://[fd77::1]:8000/" in server.wait_for("Phones")
        assert '"status": "ready"' in net.get("http://[fd77::1]:8000/healthz")


class Terminal:
    """The server at a terminal, where a person can press keys."""

    def __init__(self, net: Network, data: Path) -> None:
        self.master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [*net.on_the_computer, sys.executable, str(ROOT / "manage.py"), "serve"],
            env=environment(data, TERM="xterm", COLUMNS="120"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # its terminal, so that Ctrl-C there is a signal here
        )
        os.close(slave)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read until `pattern` matches what came since the last match."""
        deadline = time.monotonic() + START_S
        while not (match := re.search(pattern, self.text)):
            readable, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            try:
                data = os.read(self.master, 4096) if readable else b""
            except OSError:  # Linux's way to say that the other side of a terminal is closed
                data = b""
            assert data, f"The server ended, or said no more, without {pattern!r}:\n{self.text}"
            self.text += data.decode("utf-8", "replace")
        self.text = self.text[match.end() :]
        return match

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_pairing_at_the_terminal(net: Network, tmp_path: Path) -> None:
    net.add("192.168.77.1")
    terminal = Terminal(net, tmp_path)
    try:
        terminal.wait_for("█▀▀")  # some of a QR code
        code = terminal.wait_for(r"http://192\.168\.77\.1:8000/pair/\?code=([\w-]+)\b")[1]
        terminal.wait_for("press Enter")
        redeem = subprocess.run(
            [sys.executable, "-c", REDEEM, code],
            cwd=ROOT,
            env=environment(tmp_path, DJANGO_SETTINGS_MODULE="llmsite.settings"),
            check=False,
            timeout=60,
        )
        assert redeem.returncode == 0
        terminal.wait_for("Paired: Test phone")
        terminal.press(b"\n")
        assert terminal.wait_for(r"/pair/\?code=([\w-]+)\b")[1] != code
        terminal.press(b"\x03")
        assert terminal.process.wait(5) == 0
    finally:
        terminal.close()


# --- the .local name ---------------------------------------------------------------------------------------------------------------

NAME = mdns.names(socket.gethostname())[0]
MDNS = {"LLMSITE_MDNS": "1"}


def test_a_phone_finds_the_name_and_pairs_by_it(net: Network, tmp_path: Path) -> None:
    net.add("192.168.77.1", phone="192.168.77.2")
    with serving(tmp_path, "--no-qr", prefix=net.on_the_computer, env=MDNS) as server:
        code = server.wait_for("/pair/?code=").split("code=")[1]
        server.wait_for(f"http://{NAME}:8000/ (")
        assert net.finds(NAME) == "192.168.77.1"
        assert net.finds_service() == f"{NAME}:8000"
        assert f'"name": "{NAME}"' in net.get("http://192.168.77.1:8000/healthz")
        assert net.pairs(NAME, "192.168.77.1", code) == "302 llmsite_device"
        server.wait_for("Paired: Test phone")
        assert server.end()[0] == 0
        assert net.finds(NAME) == "", "it said goodbye"


def test_when_the_hotspot_changes_its_address_everything_follows(net: Network, tmp_path: Path) -> None:
    """The terminal, the name, and the page that the owner has open."""
    net.add("192.168.77.1", phone="192.168.77.2")
    with serving(tmp_path, "--no-qr", prefix=net.on_the_computer, env=MDNS) as server:
        server.wait_for(f"http://{NAME}:8000/ (")
        before, code = net.page(), re.search(r"code=([\w-]+)", "\n".join(server.lines))
        net.add("10.42.0.1", phone="10.42.0.2")
        net.remove("192.168.77.1")
        server.wait_for("addresses have changed", timeout=15)
        assert "http://10.42.0.1:8000/  wlan0, hotspot" in server.wait_for("Phones", timeout=15)
        assert code
        assert server.wait_for("/pair/?code=").strip() == f"http://10.42.0.1:8000/pair/?code={code[1]}", "nobody has used it yet"
        server.wait_for(f"http://{NAME}:8000/ (", timeout=15)
        assert net.finds(NAME, by="10.42.0.2") == "10.42.0.1"
        after = net.page()
        assert "Traceback" not in (tmp_path / "logs" / "llmsite.log").read_text(encoding="utf-8")
    assert [("192.168.77.1:8000" in page, "10.42.0.1:8000" in page) for page in (before, after)] == [(True, False), (False, True)]
    assert f"{NAME}:8000" in after
    marks = [re.findall(r'data-places="(\w+)"', page) for page in (before, after)]
    assert marks[0] != marks[1], "that is how the open page knows"


def test_a_name_that_another_computer_has_gets_a_number(net: Network, tmp_path: Path) -> None:
    net.add("192.168.77.1", phone="192.168.77.2")
    with net.claiming(NAME, "192.168.77.2"), serving(tmp_path, "--open", prefix=net.on_the_computer, env=MDNS) as server:
        second = NAME.replace(".local", "-2.local")
        server.wait_for(f"http://{second}:8000/ (")
        assert f'"name": "{second}"' in net.get(f"http://{second}:8000/healthz", ip="192.168.77.1")


@pytest.mark.parametrize(("arguments", "env"), [(["--host", "127.0.0.1"], MDNS), ([], {"LLMSITE_MDNS": "0"})], ids=["loopback alone", "switched off"])
def test_nothing_is_published_unasked(net: Network, tmp_path: Path, arguments: list[str], env: dict[str, str]) -> None:
    net.add("192.168.77.1", phone="192.168.77.2")
    with serving(tmp_path, "--open", *arguments, prefix=net.on_the_computer, env=env) as server:
        server.wait_for("Only this computer" if arguments else "Scan it")
        assert net.finds(NAME, seconds=4) == ""
        assert not any(".local" in line for line in server.lines)


@pytest.mark.parametrize("kind", ["uvicorn", "daphne", "runserver"])
def test_other_servers_have_checked_addresses_and_the_name_too(net: Network, tmp_path: Path, kind: Literal["uvicorn", "daphne", "runserver"]) -> None:
    net.add("192.168.77.1", phone="192.168.77.2")
    server = Server(kind, tmp_path, environment=MDNS)
    with net.running(server, everywhere(kind)):
        net.wait_for(f'"name": "{NAME}"', "http://192.168.77.1:8000/healthz")
        assert net.finds(NAME) == "192.168.77.1"
        page = net.page()
    assert "http://192.168.77.1:8000/pair/?code=" in page
    assert f"http://{NAME}:8000/pair/?code=" in page
