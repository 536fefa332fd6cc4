"""Starts the real `manage.py serve` for the tests, with the fake engine and a data folder of the test's own."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
START_S = 60.0


def environment(data: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LLMSITE_", "LC_", "LANG", "DATABASE_URL", "PYTEST"))}
    ours = {
        "LLMSITE_DATA": str(data),
        "LLMSITE_MODEL": "fake",
        "LLMSITE_MDNS": "0",
        "LLMSITE_PHONE_CLIENT": "0",
        "LLMSITE_NATIVE": os.environ["LLMSITE_NATIVE"],
    }
    return {**kept, **ours, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **more}


class Serving:
    """A running server: its output line by line, as it comes."""

    def __init__(self, data: Path, arguments: Sequence[str], *, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None) -> None:
        self.began = time.monotonic()
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(ROOT / "manage.py"), "serve", *arguments],
            cwd=data,
            env=environment(data, **(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, text: str, timeout: float = START_S) -> str:
        """The line that holds `text`, when it comes; one that came before does not count again."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{text!r} did not come within {timeout} s. What came:\n" + "\n".join(self.lines)) from None
            if line is None:
                raise AssertionError(f"The server ended without {text!r}. What came:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if text in line:
                return line

    def end(self, number: signal.Signals = signal.SIGINT, timeout: float = 10) -> tuple[int, float]:
        """Send a signal; the exit code, and how long it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout)
        return code, time.monotonic() - began

    def rest(self, timeout: float = START_S) -> str:
        """Wait for the end; everything that it said."""
        self.process.wait(timeout)
        while (line := self._queue.get(timeout=5)) is not None:
            self.lines.append(line)
        return "\n".join(self.lines)


@contextlib.contextmanager
def serving(data: Path, *arguments: str, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Iterator[Serving]:
    """A server that is gone afterwards, whatever happens."""
    data.mkdir(parents=True, exist_ok=True)
    server = Serving(data, arguments, prefix=prefix, env=env)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(10)
        if server.process.stdout:
            server.process.stdout.close()


def refused(data: Path, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Start a server that must not start: its exit code and what it said."""
    with serving(data, *arguments, env=env) as server:
        said = server.rest()
        return server.process.returncode, said
