"""The processes of one server: started, watched, started again when they die, ended together."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from signal import SIGKILL, SIGTERM, Signals
from typing import Literal

from llmsite.config import ROOT
from llmsite.serve.exits import Exit
from llmsite.serve.parent import PIPE, SOCKETS

logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LIVED_S = 60.0
"""One that lived so long has not died "again"."""
END_S = 3.0
LOOK_S = 0.1


@dataclass
class Child:
    """One process, or the wait for the next one in its place."""

    kind: Literal["engine", "web"]
    number: int
    process: subprocess.Popen[bytes] | None = None
    id: str = ""
    began: float = 0.0
    deaths: int = 0
    """In a row, each sooner than LIVED_S."""
    again_at: float = 0.0

    @property
    def name(self) -> str:
        return self.kind if self.kind == "engine" else f"web {self.number}"


@dataclass
class Children:
    """`died` is told each death: which child, its exit code, and in how many seconds it is started again."""

    sockets: Sequence[socket.socket]
    environment: Mapping[str, str]
    died: Callable[[Child, int, float], None]
    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    """What the server as a whole is called."""
    children: list[Child] = field(default_factory=list)
    _pipe: tuple[int, int] | None = None

    def start(self, webs: int) -> None:
        self._pipe = os.pipe()
        self.children = [Child("engine", 0), *(Child("web", number) for number in range(1, webs + 1))]
        for child in self.children:
            self._start(child)

    @property
    def engine(self) -> Child:
        return self.children[0]

    def look(self) -> None:
        """Start those again that have died, each after its wait."""
        for child in self.children:
            if child.process is not None and (code := child.process.poll()) is not None:
                self._bury(child, code)
            if child.process is None and time.monotonic() >= child.again_at:
                self._start(child)

    def end(self) -> None:
        """Ask all to end, and end what does not."""
        self._signal(SIGTERM)
        until = time.monotonic() + END_S
        while any(child.process is not None and child.process.poll() is None for child in self.children) and time.monotonic() < until:
            time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        self._signal(SIGKILL)
        for child in self.children:
            if child.process is not None:
                child.process.wait()

    def _signal(self, number: Signals) -> None:
        for child in self.children:
            if child.process is not None and child.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(number)

    def _start(self, child: Child) -> None:
        assert self._pipe is not None
        command = [sys.executable, str(ROOT / "manage.py"), *(["engine"] if child.kind == "engine" else ["serve", "--web"])]
        passed = (self._pipe[0], *(one.fileno() for one in self.sockets if child.kind == "web"))
        child.id, child.began = secrets.token_hex(8), time.monotonic()
        ours = {
            "LLMSITE_SUPERVISED": "1",
            "LLMSITE_INSTANCE": self.instance,
            "LLMSITE_PROCESS_ID": child.id,
            "LLMSITE_PROCESS_NAME": child.name.replace(" ", "-"),
            PIPE: str(self._pipe[0]),
            SOCKETS: ",".join(str(number) for number in passed[1:]),
        }
        # One process publishes the .local name for all.
        quiet = {} if child.number == 1 else {"LLMSITE_MDNS": "0"}
        # A group of its own: Ctrl-C is for the parent, which asks its children one by one.
        child.process = subprocess.Popen(
            command, env={**self.environment, **ours, **quiet}, pass_fds=passed, stdin=subprocess.DEVNULL, process_group=0
        )
        logger.info("%s is process %d", child.name, child.process.pid)

    def _bury(self, child: Child, code: int) -> None:
        lived_s = time.monotonic() - child.began
        child.process = None
        child.deaths = child.deaths + 1 if lived_s < LIVED_S else 1
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (child.deaths - 1)) if child.deaths > 1 else 0.0
        child.again_at = time.monotonic() + wait_s
        logger.error("%s ended with %d after %.0f s", child.name, code, lived_s)
        self.died(child, code, wait_s)


def exit_code(code: int) -> Exit:
    """Of a child, as the parent's own."""
    return Exit(code) if code in iter(Exit) else Exit.BUG
