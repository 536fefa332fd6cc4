"""A copy of the SQLite database while a server writes to it, and back: SQLite's own backup (https://www.sqlite.org/backup.html)."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.words import say

BUSY_S = 20.0


def copy(source: Path, target: Path) -> dict[str, int]:
    """Write a whole copy of `source` to `target`, which must not be there. Returns the rows of the tables that people ask for.

    One step, so it is the database of one moment; in WAL mode the server goes on writing meanwhile. The copy has its name only when it is
    whole, checked and on the disk. Raises Stopped, sqlite3.Error, OSError.
    """
    if target.exists():
        raise Stopped(Exit.USAGE, say("backup.there", path=target))
    part = target.with_name(f"{target.name}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with closing(_open(source)) as old, closing(sqlite3.connect(part)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        rows = look(part)
        _on_the_disk(part)
        os.replace(part, target)
        _on_the_disk(target.parent)
        return rows
    finally:
        part.unlink(missing_ok=True)


def look(file: Path) -> dict[str, int]:
    """The rows of a copy that is whole. Raises Stopped for any other file."""
    try:
        with closing(_open(file)) as database:
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise Stopped(Exit.DATABASE, say("backup.broken", path=file, reason=found))
            return {name: database.execute(f"SELECT count(*) FROM chat_{name}").fetchone()[0] for name in ("conversation", "message", "run")}
    except sqlite3.DatabaseError as error:
        raise Stopped(Exit.DATABASE, say("backup.broken", path=file, reason=error)) from error


def put_back(file: Path, database: Path) -> tuple[dict[str, int], Path | None]:
    """Make `file` the database; no server may run. Returns its rows and where the former database went, if there was one.

    The former one's write-ahead log goes with it: beside the new file, SQLite would take it for the new one's.
    """
    look(file)
    part = database.with_name(f"{database.name}.restored")
    part.unlink(missing_ok=True)
    rows = copy(file, part)
    kept = None
    if database.exists():
        kept = database.with_name(f"{database.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
        for suffix in ("-wal", "-shm", ""):
            beside = database.with_name(database.name + suffix)
            if beside.exists():
                beside.rename(kept.with_name(kept.name + suffix))
    part.rename(database)
    _on_the_disk(database.parent)
    return rows, kept


def _open(file: Path) -> sqlite3.Connection:
    """For reading; a file that is not there is not made."""
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)


def _on_the_disk(path: Path) -> None:
    """fsync; of a folder, the names in it. Windows has none for folders."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
