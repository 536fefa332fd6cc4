from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmsite import lock
from llmsite.lock import FileLock, Locked

ROOT = Path(__file__).resolve().parent.parent.parent
HOLD = "import sys; from pathlib import Path; from llmsite import lock; lock.acquire(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of tmp_path."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_refused_and_told_who_has_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(Locked) as caught:
        lock.acquire(tmp_path)
    assert caught.value.pid == holder.pid


def test_a_killed_process_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    lock.acquire(tmp_path)
    lock.release(tmp_path)


def test_the_same_process_may_ask_again(tmp_path: Path) -> None:
    first = lock.acquire(tmp_path)
    assert lock.acquire(tmp_path / "." / "") is first
    lock.release(tmp_path)
    again = lock.acquire(tmp_path)
    assert again is not first
    lock.release(tmp_path)


def test_the_file_names_its_owner(tmp_path: Path) -> None:
    held = FileLock(tmp_path / "x.lock").acquire()
    assert (tmp_path / "x.lock").read_text() == f"{os.getpid()}\n"
    with pytest.raises(Locked, match=str(os.getpid())):
        FileLock(tmp_path / "x.lock").acquire()
    held.release()
    FileLock(tmp_path / "x.lock").acquire().release()


def test_a_lock_makes_its_folder(tmp_path: Path) -> None:
    lock.acquire(tmp_path / "new" / "folder")
    lock.release(tmp_path / "new" / "folder")


def test_releasing_what_is_not_held_is_harmless(tmp_path: Path) -> None:
    lock.release(tmp_path)
    FileLock(tmp_path / "x.lock").release()
