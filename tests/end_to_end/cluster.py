"""Servers of several processes, each started by hand as on several machines, so that a test may kill any of them; or all by `serve --workers`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import psutil

from tests.end_to_end.server import LIMIT_S, ROOT, Server


class Unit(Server):
    """One process: `engine`, or a web process on a port of its own."""

    def __init__(self, name: str, data: Path, database_url: str, redis_url: str, arguments: list[str], environment: dict[str, str]) -> None:
        super().__init__("serve", data, database_url=database_url, environment={"REDIS_URL": redis_url, "LLMSITE_PROCESS_NAME": name, **environment})
        self.name = name
        self.arguments = [word.format(port=self.port) for word in arguments]
        self.output = data / f"{name}.out"

    @property
    def has_web(self) -> bool:
        return self.arguments[0] == "serve"

    def begin(self) -> None:
        assert self.process is None, "it runs already"
        self.data.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", *self.arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        Server.running.add(self)

    def until_ready(self) -> None:
        until = time.monotonic() + LIMIT_S
        while not self.is_ready():
            assert self.process is not None
            assert self.process.poll() is None, self.log_tail()
            assert time.monotonic() < until, self.log_tail()
            time.sleep(0.05)

    def start(self) -> Server:
        self.begin()
        if self.has_web:
            self.until_ready()
        return self

    def log_tail(self) -> str:
        said = self.output.read_text("utf-8", "replace")
        log = self.data / "logs" / f"llmsite-{self.name}.log"
        return f"--- {self.name} ---\n{said[-3000:]}\n{log.read_text('utf-8', 'replace')[-6000:] if log.exists() else ''}"


class Cluster:
    """An engine process and web processes, each started by hand: `webs[0]` and `webs[1]` are servers to a Client."""

    def __init__(self, data: Path, database_url: str, redis_url: str, webs: int = 2, **environment: str) -> None:
        common: dict[str, Any] = {"database_url": database_url, "redis_url": redis_url, "environment": environment}
        self.engine = Unit("engine", data, arguments=["engine"], **common)
        web = ["serve", "--web", "--host", "127.0.0.1", "--port", "{port}", "--no-qr"]
        self.webs = [Unit(f"web-{number}", data, arguments=web, **common) for number in range(1, webs + 1)]

    @property
    def units(self) -> list[Unit]:
        return [self.engine, *self.webs]

    def start(self) -> Cluster:
        """Start what does not run, and wait until the model answers at every web process."""
        for unit in self.units:
            if unit.process is None:
                unit.begin()
        for web in self.webs:
            web.until_ready()
        return self

    def kill(self) -> None:
        for unit in self.units:
            unit.kill()

    def check_logs(self) -> None:
        self.engine.check_log()  # which reads all of them


def children_of(server: Server, word: str) -> list[psutil.Process]:
    """The child processes of `serve --workers` that have a word in their command line."""
    assert server.process is not None
    found = []
    for process in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.Error):
            if word in process.cmdline():
                found.append(process)
    return found


def kill_hard(process: psutil.Process) -> None:
    os.kill(process.pid, SIGKILL)


def until(happened: Callable[[], Any], what: str) -> Any:
    limit = time.monotonic() + LIMIT_S
    while not (found := happened()):
        assert time.monotonic() < limit, f"waited too long for {what}"
        time.sleep(0.05)
    return found
