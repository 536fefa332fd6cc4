"""How Django is told of a database: by a URL, or of the file in the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url

FILE = "llmsite.sqlite3"
CONNECTIONS = 8
"""So many connections to PostgreSQL one of several processes has at most."""


def sqlite(path: Path) -> dict[str, Any]:
    """WAL: readers never wait for the writer. IMMEDIATE: a transaction takes the write lock at its start, so that busy_timeout
    applies to it; a deferred one fails at once with "database is locked" when it turns from reader to writer.
    synchronous=FULL: in WAL mode NORMAL may lose the last transactions in a power cut, and the log's promise is 200 ms."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,  # opening it and setting the pragmas takes longer than most of our queries
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA mmap_size=134217728;",
        },
    }


def database(url: str, data: Path, *, one_process: bool = True) -> dict[str, Any]:
    """No `url` means the file in the data folder. `one_process`: not one of several that share a PostgreSQL."""
    if not url:
        return sqlite(data / FILE)
    if one_process:
        return {**dj_database_url.parse(url, conn_max_age=600, conn_health_checks=True)}
    # Each request has a thread of its own, and with that a connection: of several processes, together more than PostgreSQL takes.
    shared = dj_database_url.parse(url, conn_max_age=0, conn_health_checks=True)
    options = {**shared.get("OPTIONS", {}), "pool": {"min_size": 1, "max_size": CONNECTIONS, "timeout": 30}}
    return {**shared, "OPTIONS": options}


def shown(table: dict[str, Any]) -> str:
    """A database for people: its file, or host and name, never a password."""
    if table["ENGINE"].endswith("sqlite3"):
        return str(table["NAME"])
    host = f"{table.get('HOST') or 'localhost'}:{table.get('PORT') or 5432}"
    return f"PostgreSQL {table['NAME']} at {host}"


def without_password(url: str) -> str:
    """The URL as it may be printed."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query="").geturl()
