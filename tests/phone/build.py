"""The phone client as `npm run build:…` makes it, built once for all tests, and again only when its sources have changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from llmsite.lock import FileLock, Locked

CLIENT = Path(__file__).resolve().parents[2] / "frontend-uniapp"
LIMIT_S = 300.0
"""For one build on a busy machine; alone it takes about ten seconds."""
SOURCES = ("src", "first", "index.html", "vite.config.js", "markdown.config.js", "package.json", "package-lock.json")

Platform = Literal["h5", "mp-weixin", "app"]


@dataclass(frozen=True)
class Build:
    folder: Path
    said: str
    """What the build told."""


def built_h5() -> Path:
    """The folder of the client for browsers."""
    return built("h5").folder


def built(platform: Platform) -> Build:
    """One platform's build. Skips where the client's tools are not installed; in CI they must be."""
    if not (CLIENT / "node_modules" / "vite").is_dir() or shutil.which("npm") is None:
        assert not os.environ.get("CI"), "CI must have the client's tools: npm ci --prefix frontend-uniapp"
        pytest.skip("the phone client cannot be built here: npm ci --prefix frontend-uniapp")
    stamp = CLIENT / "dist" / f".built-from-{platform}"
    made = CLIENT / "dist" / "build" / platform
    said = stamp.with_suffix(".log")
    with _alone(CLIENT / "dist" / ".building"):
        sources = _sources_hash()
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != f"{sources} {_newest(made)}":
            said.write_text(_build(platform), encoding="utf-8")
            stamp.write_text(f"{sources} {_newest(made)}", encoding="utf-8")
        return Build(made, said.read_text(encoding="utf-8"))


def _build(platform: Platform) -> str:
    command = ["npm", "run", f"build:{platform}"]
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return f"{done.stdout}\n{done.stderr}"


def _newest(made: Path) -> int:
    """When the last of it was written: not ours any more, when somebody has built by hand meanwhile."""
    return max((path.stat().st_mtime_ns for path in made.rglob("*")), default=0)


def _sources_hash() -> str:
    """Of the names and contents of all that a build is made from."""
    found = hashlib.sha256()
    for name in SOURCES:
        top = CLIENT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                found.update(f"{path.relative_to(CLIENT)}\n".encode())
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Test processes side by side share the builds: one makes them, the others wait."""
    lock, until = FileLock(path), time.monotonic() + 3 * LIMIT_S
    while True:
        try:
            lock.acquire()
            break
        except Locked:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
    try:
        yield
    finally:
        lock.release()
