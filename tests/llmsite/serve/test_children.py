"""The processes of `serve --workers`: started again at once, then later and later when they die again and again; and ended with their parent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from llmsite.serve import children
from llmsite.serve.children import Child, Children

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform == "win32", reason="several processes need Linux or macOS")]

LIMIT_S = 60.0
SLEEPS = """
import os, sys, threading
print(sys.argv[1:], os.environ["LLMSITE_PROCESS_NAME"], file=open(os.environ["NOTES"], "a"), flush=True)
pipe = int(os.environ["LLMSITE_PARENT"])
os.read(pipe, 1)
"""


def until(happened: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < limit, f"waited too long for {what}"
        time.sleep(0.02)


@pytest.fixture
def deaths() -> list[tuple[str, int, float]]:
    return []


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: list[tuple[str, int, float]]) -> Callable[[str], Children]:
    """Children whose manage.py is this."""

    def made(program: str) -> Children:
        (tmp_path / "manage.py").write_text(program)
        monkeypatch.setattr(children, "ROOT", tmp_path)

        def died(child: Child, code: int, wait_s: float) -> None:
            deaths.append((child.name, code, wait_s))

        return Children([], {**os.environ, "NOTES": str(tmp_path / "notes")}, died)

    return made


def test_each_is_started_by_its_name_and_ended(make: Callable[[str], Children], tmp_path: Path) -> None:
    family = make(SLEEPS)
    family.start(2)
    until(lambda: (tmp_path / "notes").exists() and len((tmp_path / "notes").read_text().splitlines()) == 3, "all three")
    said = sorted((tmp_path / "notes").read_text().splitlines())
    assert said == ["['engine'] engine", "['serve', '--web'] web-1", "['serve', '--web'] web-2"]
    family.look()
    family.end()
    assert all(child.process is not None and child.process.returncode is not None for child in family.children)


def test_one_that_dies_again_and_again_is_started_later_and_later(make: Callable[[str], Children], deaths: list[tuple[str, int, float]]) -> None:
    family = make("raise SystemExit(7)")
    family.start(0)
    for number in range(1, 9):
        until(lambda: family.engine.process is not None and family.engine.process.poll() is not None, "its death")
        family.look()
        assert len(deaths) == number
        family.engine.again_at = 0.0  # nobody waits here
        family.look()
    assert [wait_s for _, _, wait_s in deaths] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert {(name, code) for name, code, _ in deaths} == {("engine", 7)}
    family.kill()


def test_they_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """With the pipe that each child reads: whatever ends the parent closes it."""
    (tmp_path / "manage.py").write_text(SLEEPS)
    parent = f"""
import os, sys, time
sys.path.insert(0, {str(children.ROOT)!r})
from pathlib import Path
from llmsite.serve import children
children.ROOT = Path({str(tmp_path)!r})
family = children.Children([], {{**os.environ, "NOTES": {str(tmp_path / "notes")!r}}}, lambda *_: None)
family.start(1)
print(*(child.process.pid for child in family.children), flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        family = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        process.kill()
    assert psutil.wait_procs(family, timeout=LIMIT_S)[1] == []
