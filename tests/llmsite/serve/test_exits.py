from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest
from django.db import DatabaseError, OperationalError

from inference.errors import BackendUnreachable, BrokenModel, EngineError, ModelNotFound, OutOfMemory
from llmsite.config import ConfigError
from llmsite.lock import Locked
from llmsite.serve.exits import MEANINGS, Exit, explain, table


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError("the port must be a number"), Exit.USAGE, "the port must be a number"),
        (Locked(Path("/d/server.lock"), 42), Exit.LOCKED, "process 42"),
        (Locked(Path("/d/server.lock"), None), Exit.LOCKED, "Another server uses"),
        (OSError(errno.ENOSPC, "x", "/d/f"), Exit.DISK_FULL, "/d/f"),
        (PermissionError(errno.EACCES, "x", "/d/f"), Exit.NO_PERMISSION, "/d/f"),
        (OSError(errno.EROFS, "x"), Exit.NO_PERMISSION, "a file"),
        (MemoryError(), Exit.MEMORY, "too little memory"),
        (OSError(errno.ENOMEM, "x"), Exit.MEMORY, "too little memory"),
        (OutOfMemory(model="big", needed="61 GB", available="16 GB"), Exit.MEMORY, "needs about 61 GB"),
        (ModelNotFound(path="/m"), Exit.MODEL, "no model at /m"),
        (BrokenModel(path="/m", reason="weights are cut"), Exit.MODEL, "weights are cut"),
        (BackendUnreachable(url="http://x"), Exit.MODEL, "http://x cannot be reached"),
        (OperationalError("database or disk is full"), Exit.DISK_FULL, "disk is full"),
        (OperationalError("attempt to write a readonly database"), Exit.NO_PERMISSION, "No permission"),
        (OperationalError("unable to open database file"), Exit.NO_PERMISSION, "No permission"),
        (DatabaseError("file is not a database"), Exit.DATABASE, "file is not a database"),
        (OperationalError("connection to server\n  refused"), Exit.DATABASE, "connection to server refused"),
    ],
)
def test_what_a_person_reads(error: Exception, code: Exit, words: str) -> None:
    stopped = explain(error)
    assert stopped is not None
    assert stopped.code is code
    assert words in stopped.sentence
    assert "\n" not in stopped.sentence


def test_an_engine_error_that_the_table_lacks_says_its_own_sentence() -> None:
    class Odd(EngineError):
        code = "odd"
        sentence = "The model is odd: {how}."

    stopped = explain(Odd(how="very"))
    assert stopped is not None
    assert (stopped.code, stopped.sentence) == (Exit.MODEL, "The model is odd: very.")


def test_the_cause_counts_through_its_wrappers() -> None:
    try:
        try:
            raise sqlite3.OperationalError("database or disk is full")
        except sqlite3.Error as error:
            raise RuntimeError("while migrating") from OperationalError(*error.args)
    except RuntimeError as error:
        stopped = explain(error)
    assert stopped is not None
    assert stopped.code is Exit.DISK_FULL


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyError("x"), OSError(errno.EIO, "x"), FileNotFoundError(errno.ENOENT, "x")])
def test_a_bug_is_not_explained_away(error: Exception) -> None:
    assert explain(error) is None


def test_every_code_is_in_the_table() -> None:
    assert set(MEANINGS) == set(Exit)
    assert all(f"{code:3d}  " in table() for code in Exit)


def test_the_documentation_has_the_same_table() -> None:
    documentation = (Path(__file__).resolve().parents[3] / "docs" / "serve.md").read_text(encoding="utf-8")
    rows = [line for line in documentation.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert rows == [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
