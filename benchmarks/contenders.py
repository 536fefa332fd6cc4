"""The processes that are measured: our server, the tutorial's, and the engine alone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from benchmarks.load import Burst, burst

ROOT = Path(__file__).resolve().parent.parent
READY_S = 300.0


class Contender:
    """A process that is started once and measured in turns. Use as a context manager."""

    name = ""

    def __init__(self, model: str, max_tokens: int, folder: Path) -> None:
        self.max_tokens = max_tokens
        self.folder = folder
        self.port = free_port()
        self.environment = os.environ | {
            "LLMSITE_DATA": str(folder / self.name),
            "LLMSITE_MODEL": model,
            "BENCH_MODEL": model,
            "BENCH_MAX_TOKENS": str(max_tokens),
            "BENCH_STAMPS": str(self.stamps),
            "HF_HUB_OFFLINE": "1",
            # For all three: torch's idle threads would otherwise spin on the cores that the others need.
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process

    @property
    def stamps(self) -> Path:
        return self.folder / "stamps.jsonl"

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self.process = subprocess.Popen(self.command(), cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def __enter__(self) -> Contender:
        self.start()
        until = time.monotonic() + READY_S
        while not self.is_ready():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                self._log.seek(0)
                raise RuntimeError(f"{self.name} did not start: {self._log.read().decode('utf-8', 'replace')[-3000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    async def burst(self, clients: int) -> Burst:
        raise NotImplementedError

    def memory(self) -> int:
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def cpu_s(self) -> float:
        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


class Ours(Contender):
    name = "llmsite"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.stamped", "serve", "--host", "127.0.0.1", "--port", str(self.port), "--no-qr"]

    async def burst(self, clients: int) -> Burst:
        options = {"temperature": 0, "repetition_penalty": 1.0, "max_tokens": self.max_tokens}
        return await burst(f"ws://127.0.0.1:{self.port}/ws/chat/?v=1", clients, options)

    def read_stamps(self, kind: str) -> dict[str, list[list[float]]]:
        """When each token of each piece of each run was "decoded" or "yielded"."""
        lines = map(json.loads, self.stamps.read_text().splitlines())
        return {line["run"]: line[kind] for line in lines}


class Tutorial(Contender):
    name = "tutorial"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "uvicorn", "benchmarks.tutorial_server:application", "--port", str(self.port), "--no-access-log"]

    async def burst(self, clients: int) -> Burst:
        return await burst(f"ws://127.0.0.1:{self.port}/ws/chat/", clients, None)


class Bare(Contender):
    """The engine without a server; it is asked over its standard input."""

    name = "bare"
    max_streams = 0
    """How many answers the engine takes at once: it says so when it is ready."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.bare"]

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(), cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )

    def is_ready(self) -> bool:
        self.max_streams = self._read()["max_streams"]
        return True

    def decode(self, prompts: Sequence[str]) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"prompts": list(prompts), "max_tokens": self.max_tokens}).encode() + b"\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the engine's process has ended")
        return dict(json.loads(line))

    async def decode_all(self, prompts: Sequence[str]) -> dict[str, Any]:
        return await asyncio.to_thread(self.decode, prompts)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
