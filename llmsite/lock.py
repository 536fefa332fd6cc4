"""One server per data folder: a lock that the operating system drops with the process, so that no crash leaves it behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = "server.lock"
# Windows locks are mandatory: a locked byte cannot be read by others. This one lies far behind the text that they may want to read.
LOCKED_BYTE = 1 << 30


class Locked(Exception):
    """Another process holds the lock. `pid` is None when it has not said so yet."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path, self.pid = path, pid
        super().__init__(f"{path} is held by {f'process {pid}' if pid else 'another process'}")


class FileLock:
    """An exclusive lock on a file that holds the owner's process id. Released by `release` or by the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self) -> FileLock:
        """Take the lock now or raise Locked."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        file = os.fdopen(descriptor, "r+", encoding="ascii")
        try:
            _lock(descriptor)
        except OSError:
            pid = _pid_in(file)
            file.close()
            raise Locked(self.path, pid) from None
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file
        return self

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name."""
        if self._file is not None:
            self._file.close()
            self._file = None


_held: dict[Path, FileLock] = {}


def acquire(data: Path) -> FileLock:
    """Take the lock of a data folder for this process; again is harmless, so `serve` and asgi.py may both ask. Raises Locked."""
    path = data.resolve() / NAME
    if path not in _held:
        _held[path] = FileLock(path).acquire()
    return _held[path]


def release(data: Path) -> None:
    """Give the lock of a data folder back, if this process has it."""
    lock = _held.pop(data.resolve() / NAME, None)
    if lock is not None:
        lock.release()


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _pid_in(file: IO[str]) -> int | None:
    try:
        return int(file.read().strip())
    except (ValueError, OSError):
        return None
