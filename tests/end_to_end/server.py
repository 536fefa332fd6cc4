"""A real server process on a free loopback port, with a data folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Literal

import psutil

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 90.0
"""How long anything may take on a busy machine. No test measures with it; it only ends what hangs."""
TRACE = "Traceback (most recent call last):"
LOG_TAIL = 6000

REFUSED = ["exits.Stopped", "lock.Locked", "database_use.InUse", "OperationalError", "sqlite3.DatabaseError", "psycopg.errors.", "DataError"]
"""How the log ends the traceback of a command that was refused with a sentence."""

Kind = Literal["serve", "workers", "uvicorn", "daphne", "runserver"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(kind: Kind, port: int) -> list[str]:
    """How a person starts a server of this kind."""
    python = sys.executable
    match kind:
        case "serve":
            return [python, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(port), "--no-qr"]
        case "workers":
            return [*command("serve", port), "--workers", "2"]
        case "uvicorn":
            return [python, "-m", "uvicorn", "llmsite.asgi:application", "--lifespan", "on", "--port", str(port), "--no-access-log"]
        case "daphne":
            return [python, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "llmsite.asgi:application"]
        case "runserver":
            return [python, "manage.py", "runserver", f"127.0.0.1:{port}"]


class Server:
    """Started and ended as often as a test likes; port and data stay the same."""

    running: set[Server] = set()
    """For the hook that shows their logs when a test fails."""

    def __init__(self, kind: Kind, data: Path, *, model: str = "fake", database_url: str = "", environment: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.data = data
        self.database_url = database_url
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("LLMSITE_") and name != "DATABASE_URL"}
        self.environment |= {"LLMSITE_DATA": str(data), "LLMSITE_MODEL": model, "PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "llmsite.settings"}
        self.environment |= {"LLMSITE_MDNS": "0"}
        self.environment |= {name: os.environ[name] for name in ("LLMSITE_PHONE_CLIENT", "LLMSITE_NATIVE") if name in os.environ}
        self.environment |= {"DATABASE_URL": database_url} if database_url else {}
        self.environment |= environment or {}
        self.output = data / "process.log"
        self._read = 0
        self.expected: list[str] = []
        """What a test provokes: tracebacks that end in one of these are fine."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def http(self) -> str:
        return f"http://{self.address}"

    def start(self) -> Server:
        """Start and wait until the model answers."""
        assert self.process is None, "it runs already"
        self.data.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command(self.kind, self.port),
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        Server.running.add(self)
        until = time.monotonic() + LIMIT_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                told = f"exit code {self.process.returncode}" if self.process.returncode is not None else f"not ready after {LIMIT_S:.0f} s"
                self.kill()
                raise AssertionError(f"{self.kind}: {told}\n{self.log_tail()}")
            time.sleep(0.05)
        return self

    async def start_again(self) -> None:
        await asyncio.to_thread(self.start)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.http}/healthz", timeout=10) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def signal(self, number: Signals) -> None:
        """As a terminal does: to the server and its children."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """`kill -9`, as a power cut. Idempotent."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, SIGKILL)
        self.process.wait(LIMIT_S)
        self.process = None
        Server.running.discard(self)

    async def end(self, number: Signals) -> int:
        """Ask it to end, wait until it and its children have, and return its exit code."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.signal(number)
        try:
            code = await asyncio.to_thread(self.process.wait, LIMIT_S)
            await asyncio.to_thread(psutil.wait_procs, children, LIMIT_S)
        finally:
            self.kill()
        return code

    def memory(self) -> int:
        """Resident bytes of the server and its children."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in [parent, *parent.children(recursive=True)])

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of manage.py for this server's data, as a person gives it."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=LIMIT_S * 4, check=False)

    # --- its log ---

    def log(self) -> str:
        logs = [self.output, *sorted((self.data / "logs").glob("llmsite*.log"))]
        return "\n".join(path.read_text("utf-8", "replace") for path in logs if path.exists())

    def log_tail(self) -> str:
        return f"--- log of {self.kind} on port {self.port}, its last {LOG_TAIL} characters ---\n{self.log()[-LOG_TAIL:]}"

    def check_log(self) -> None:
        """No traceback, but those that the test provoked; and nobody was told that the database is locked."""
        log = self.log()
        at = 0
        for trace in log.split(TRACE)[1:]:
            at = log.index(TRACE, at) + len(TRACE)
            if not any(expected in trace for expected in self.expected):
                raise AssertionError(f"an unexpected traceback:{log[at : at + 6000]}")
