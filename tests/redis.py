"""A private Redis server for the tests: on loopback, in memory only, ended with them."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

PASSWORD = "not-for-logs"
START_S = 30.0


def program() -> str | None:
    return shutil.which("redis-server")


class Redis:
    """`with Redis() as redis: redis.url`."""

    def __init__(self) -> None:
        found = program()
        assert found is not None, "there is no Redis here: install the package redis-server"
        self._program = found
        self._home = Path(tempfile.mkdtemp(prefix="llmsite-redis-"))
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Redis:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def url(self, number: int = 0, *, password: str = PASSWORD) -> str:
        """The address of one of its databases."""
        return f"redis://:{password}@127.0.0.1:{self.port}/{number}"

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._home, "save": "", "appendonly": "no", "databases": 64}
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with (self._home / "log").open("ab") as output:
            command = [self._program, *arguments, "--requirepass", PASSWORD]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        until = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, (self._home / "log").read_text()
            assert time.monotonic() < until, "Redis does not answer"
            time.sleep(0.02)

    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def stop(self) -> None:
        """At once, and with everything that it held."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(f"AUTH {PASSWORD}\r\nPING\r\nQUIT\r\n".encode())
            received = b""
            while part := connection.recv(100):
                received += part
            return b"PONG" in received
        return False
