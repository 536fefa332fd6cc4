"""Two network namespaces, the computer's and the phone's, and a cable between: nothing leaves the two."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.server import Server
from tests.llmsite.serve.process import ROOT, START_S

PORT = 8000
_number = itertools.count()
PHONE = Path(__file__).with_name("phone.py")


def ip(*arguments: str, inside: str | None = None) -> None:
    subprocess.run(["ip", *(["-n", inside] if inside else []), *arguments], check=True, capture_output=True, text=True)


def why_not() -> str:
    """Why namespaces cannot be made here, '' when they can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "the command ip is missing (package iproute2)"
    name = f"llmsite-probe-{os.getpid()}"
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here: {error.stderr.strip()}"
    ip("netns", "delete", name)
    return ""


class Network:
    """Two namespaces, `computer` and `phone`, each with loopback, joined by a cable whose ends have no address yet."""

    def __init__(self) -> None:
        tag = f"{os.getpid() % 10000}-{next(_number)}"
        self.computer, self.phone = f"llmsite-c{tag}", f"llmsite-p{tag}"
        for name in (self.computer, self.phone):
            ip("netns", "add", name)
            ip("link", "set", "lo", "up", inside=name)
        ip("link", "add", "wlan0", "type", "veth", "peer", "name", "wlan0", "netns", self.phone, inside=self.computer)
        for name in (self.computer, self.phone):
            ip("link", "set", "wlan0", "up", inside=name)

    def add(self, address: str, phone: str | None = None) -> None:
        ip("address", "add", f"{address}/24", "dev", "wlan0", inside=self.computer)
        if phone:
            ip("address", "add", f"{phone}/24", "dev", "wlan0", inside=self.phone)

    def remove(self, address: str) -> None:
        ip("address", "delete", f"{address}/24", "dev", "wlan0", inside=self.computer)

    @property
    def on_the_computer(self) -> list[str]:
        return ["ip", "netns", "exec", self.computer]

    @property
    def on_the_phone(self) -> list[str]:
        return ["ip", "netns", "exec", self.phone, sys.executable, str(PHONE)]

    def get(self, url: str, *, ip: str = "") -> str:
        """What the phone gets; from `ip`, should it not know the name."""
        return self._ask(*self.on_the_phone, "get", url, ip)

    def page(self) -> str:
        """/pair/ as the computer's own browser sees it."""
        return self._ask(*self.on_the_computer, sys.executable, str(PHONE), "get", f"http://127.0.0.1:{PORT}/pair/", "")

    def finds(self, name: str, *, by: str = "192.168.77.2", seconds: float = 3) -> str:
        """The addresses that the phone finds for a name by asking around, "" for none."""
        return self._ask(*self.on_the_phone, "find", name, by, str(seconds)).strip()

    def finds_service(self) -> str:
        """What the phone finds when it looks for any web server in the room."""
        return self._ask(*self.on_the_phone, "browse", "192.168.77.2").strip()

    def pairs(self, name: str, ip: str, code: str) -> str:
        """The status and the cookies that pairing by a name gives."""
        return self._ask(*self.on_the_phone, "pair", f"{name}:{PORT}", ip, code).strip()

    def wait_for(self, text: str, url: str) -> None:
        """Until the phone gets `text` from there."""
        deadline = time.monotonic() + START_S
        got = ""
        while text not in got:
            assert time.monotonic() < deadline, got
            with contextlib.suppress(subprocess.CalledProcessError):
                got = self.get(url)

    @contextlib.contextmanager
    def claiming(self, name: str, ip: str) -> Iterator[None]:
        """The phone itself answers to a name."""
        with subprocess.Popen([*self.on_the_phone, "claim", name, ip], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "claimed\n"
            try:
                yield
            finally:
                process.kill()

    @contextlib.contextmanager
    def running(self, server: Server, command: list[str]) -> Iterator[None]:
        """A server that is started by another command than ours."""
        process = subprocess.Popen(
            [*self.on_the_computer, *command],
            cwd=ROOT,
            env=server.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    @staticmethod
    def _ask(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    def delete(self) -> None:
        for name in (self.computer, self.phone):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", name)


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Skips where namespaces cannot be made."""
    if reason := why_not():
        pytest.skip(reason)
    made = Network()
    try:
        yield made
    finally:
        made.delete()
