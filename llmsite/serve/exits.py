"""How a command ends: the exit codes, and the one sentence for each thing that can stop it. Standard library only.

`manage.py` needs this before anything is installed.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

from llmsite.serve.words import language, say

ROOM_FOR_A_LOG = 1 << 18


class Exit(IntEnum):
    OK = 0
    BUG = 1
    USAGE = 2
    PORT_TAKEN = 3
    NO_PERMISSION = 4
    DISK_FULL = 5
    MODEL = 6
    MEMORY = 7
    LOCKED = 8
    DATABASE = 9
    INSTALL = 10
    AT_ONCE = 130


MEANINGS = {
    Exit.OK: "served until it was stopped (Ctrl-C, SIGTERM)",
    Exit.BUG: "an error that nobody foresaw; the log has it",
    Exit.USAGE: "wrong option or configuration",
    Exit.PORT_TAKEN: "another program has the port",
    Exit.NO_PERMISSION: "no permission for the port or a file",
    Exit.DISK_FULL: "the disk is full",
    Exit.MODEL: "the model is missing or broken, or its server does not answer",
    Exit.MEMORY: "too little memory for the model",
    Exit.LOCKED: "another server uses the data folder or the database",
    Exit.DATABASE: "the database or Redis is broken or out of reach, or the database newer than the program",
    Exit.INSTALL: "the installation failed",
    Exit.AT_ONCE: "stopped by a second Ctrl-C, without waiting",
}


class Stopped(Exception):
    """Ends a command with a sentence for the person and an exit code."""

    def __init__(self, code: Exit, sentence: str) -> None:
        self.code, self.sentence = code, sentence
        super().__init__(sentence)


def table() -> str:
    """The exit codes for --help."""
    return "\n".join(f"  {code:3d}  {meaning}" for code, meaning in MEANINGS.items())


def explain(error: BaseException) -> Stopped | None:
    """What a person should read about `error`; None when it is a bug and its traceback is what is needed.

    Looks through the causes, too: Django and uvicorn wrap what the system said.
    """
    for cause in _chain(error):
        if isinstance(cause, Stopped):
            return cause
        name = type(cause).__name__
        if name == "ConfigError":
            return Stopped(Exit.USAGE, str(cause))
        if name == "Locked":
            pid = getattr(cause, "pid", None)
            return Stopped(Exit.LOCKED, say("locked", path=getattr(cause, "path").parent, who=say("by_pid", pid=pid) if pid else ""))  # noqa: B009
        if name == "InUse":
            kind, place, where = (getattr(cause, name) for name in ("kind", "place", "where"))
            who = say(f"used_by.{kind or 'other'}", where=say("used_by.where", where=where))
            return Stopped(Exit.LOCKED, say("database_in_use", place=place, who=who))
        if name == "BusDown":
            return Stopped(Exit.DATABASE, say("scale.redis_gone", reason=cause))
        if _is_kind(cause, "EngineError"):
            return _explain_engine(cause)
        if _is_kind(cause, "DatabaseError"):
            return _explain_database(cause)
        if isinstance(cause, MemoryError):
            return Stopped(Exit.MEMORY, say("memory"))
        if isinstance(cause, OSError) and (known := _explain_system(cause)):
            return known
    return None


def _explain_system(error: OSError) -> Stopped | None:
    where = error.filename or say("somewhere")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Stopped(Exit.DISK_FULL, say("disk_full", path=where))
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Stopped(Exit.NO_PERMISSION, say("no_permission", path=where))
    if error.errno == errno.ENOMEM:
        return Stopped(Exit.MEMORY, say("memory"))
    return None


def _explain_engine(error: Any) -> Stopped:
    """EngineErrors carry their English sentence; phones and the terminal share its translation."""
    from chat.sentences import sentence  # only here: making the environment needs nothing of chat/

    code = Exit.MEMORY if error.code == "out_of_memory" else Exit.MODEL
    return Stopped(code, sentence(error.code, language(), str(error), **error.params))


def _explain_database(error: BaseException) -> Stopped:
    text = " ".join(str(error).split())
    if re.search(r"disk is full|no space left", text, re.IGNORECASE) or ("disk I/O error" in text and _is_disk_full()):
        return Stopped(Exit.DISK_FULL, say("database_disk_full"))
    if re.search(r"readonly database|unable to open database file", text, re.IGNORECASE):
        return Stopped(Exit.NO_PERMISSION, say("database_no_permission"))
    return Stopped(Exit.DATABASE, say("database", reason=text))


def _is_disk_full() -> bool:
    """SQLite calls a write-ahead log that it cannot make room for an I/O error, as it does a broken disk. The free space tells them apart."""
    from django.db import connections  # somebody raised its error, so it is there

    try:
        return shutil.disk_usage(Path(connections["default"].settings_dict["NAME"]).parent).free < ROOM_FOR_A_LOG
    except OSError:
        return False


def _is_kind(error: BaseException, name: str) -> bool:
    """By name, because this file may not import Django or the engines: they may be what is missing."""
    return any(kind.__name__ == name for kind in type(error).__mro__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
