"""The phone client as an App, without its pages: its real modules on real requests and sockets, in a Node process that a test tells what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.phone.build import CLIENT

PROGRAM = CLIENT / "tests" / "app" / "phone.mjs"


WITHIN_S = 40.0
"""How long anything may take on a busy machine."""


class AppPhone:
    """`prefix` runs it elsewhere (in a network namespace), `finder` is the program that asks the room for .local names.

    On one machine with the server, `headers` (STRANGER) make it somebody else's phone.
    """

    def __init__(self, stored: Path, *, prefix: Sequence[str] = (), finder: Sequence[str] = (), headers: Mapping[str, str] | None = None) -> None:
        node = shutil.which("node")
        if node is None or not (CLIENT / "node_modules" / "vue").is_dir():
            pytest.skip("the phone client cannot run here: npm ci --prefix frontend-uniapp")
        command = [*prefix, node, "--no-warnings", "--experimental-websocket", str(PROGRAM), str(stored), *finder]
        self.stored = stored
        env = os.environ | {"PHONE_HEADERS": json.dumps(headers or {})}
        self.process = subprocess.Popen(command, cwd=CLIENT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, what: str, **more: Any) -> dict[str, Any]:
        """What it is told, and where it stands then."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the phone's process has ended"
        standing: dict[str, Any] = json.loads(line)
        assert "failed" not in standing, standing["failed"]
        return standing

    def until(self, holds: Callable[[dict[str, Any]], Any], within: float = WITHIN_S) -> dict[str, Any]:
        """Wait until it stands so."""
        deadline = time.monotonic() + within
        while not holds(standing := self.do("look")):
            assert time.monotonic() < deadline, json.dumps(standing, indent=1, ensure_ascii=False)
            time.sleep(0.05)
        return standing

    def step(self, name: str, within: float = WITHIN_S) -> dict[str, Any]:
        """Wait for a step on the way to a computer: what the connect page shows."""
        return self.until(lambda standing: standing["way"]["step"] == name and not standing["way"].get("busy"), within)

    def online(self) -> dict[str, Any]:
        return self.until(lambda standing: standing["online"])

    def answered(self, question: str, answer: str) -> dict[str, Any]:
        """Say something and wait until it is answered, and so stored."""
        self.do("say", text=question)
        return self.until(lambda standing: ("assistant", answer) in said(standing) and standing["messages"][-1]["status"] == "done")

    def end(self) -> None:
        """As when the system kills an App."""
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def said(standing: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["text"]) for message in standing["messages"]]
