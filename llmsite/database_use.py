"""Who uses a PostgreSQL database: one server of one process, or the processes of one server of several.

Locks of a session (advisory locks) say it. PostgreSQL drops them with the connection, so no crash leaves one behind; they count within one database.
A pooler in between that gives a connection to whoever comes next (PgBouncer's transaction mode) breaks them: DATABASE_URL leads to PostgreSQL itself.
SQLite lies in the data folder, which has a lock of its own (lock.py).
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper

from llmsite.databases import shown

log = logging.getLogger(__name__)

Kind = Literal["server", "engine", "web", "parent", "move", ""]
ALONE: tuple[Kind, ...] = ("server", "move")
"""Those that share the database with nobody."""
NUMBER = 0x6C6C6D73
"""The first half of our locks' numbers: whatever else locks something in this database takes another one."""
USE, ENGINE = 1, 2
"""The second half. USE: held alone or shared, by all. ENGINE: by whoever may make final what runs a dead process left."""
LOOK_S = 2.0
WAIT_S = 3.0
"""So long a lock may still seem to be held by a process that has just ended."""
TAKE_OVER_S = 12.0
"""So long one that has lost its place to us may take to notice."""
MOST_NAME = 63
# A computer that is gone without a word is noticed by PostgreSQL within some ten seconds, and the other way round.
PATIENCE: dict[str, Any] = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
SETTINGS = ("tcp_keepalives_idle = 5", "tcp_keepalives_interval = 2", "tcp_keepalives_count = 3")
HOLDERS = """
SELECT lock.pid, coalesce(activity.application_name, '') FROM pg_locks AS lock LEFT JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
WHERE lock.locktype = 'advisory' AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND lock.classid = %s AND lock.objid = %s AND lock.objsubid = 2 AND lock.granted AND lock.pid <> pg_backend_pid()
ORDER BY lock.pid
"""


class InUse(Exception):
    """Another one uses the database: `kind` is "" where it does not say what it is, `where` names its process and computer."""

    def __init__(self, place: str, kind: Kind, where: str) -> None:
        self.place, self.kind, self.where = place, kind, where
        super().__init__(f"{place} is in use by {kind or 'another program'} {where}".rstrip())


class Use:
    """What one process holds of a database, over a connection of its own. `id` is the process's, and found in PostgreSQL's list of connections."""

    def __init__(self, kind: Kind, id: str = "", database: BaseDatabaseWrapper = default_connection) -> None:
        self.kind, self.id = kind, id or secrets.token_hex(8)
        self._database = database
        self._connection: Any = None
        self._held: list[tuple[int, bool]] = []
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self, number: int = USE, *, replaces: Collection[str] = (), wait_s: float = WAIT_S) -> Use:
        """Take USE (shared but by those in ALONE) or ENGINE; waits a little for one that is about to go. `replaces`: ids of processes that may not go
        on, and whose connections are ended. Raises InUse, and Django's DatabaseError where PostgreSQL is out of reach."""
        shared = number == USE and self.kind not in ALONE
        with self._database.wrap_database_errors:
            if self._connection is None:
                self._connection = self._connect()
            self._take(number, shared, {self.id, *replaces}, wait_s)
        self._held.append((number, shared))
        return self

    def keep(self, lost: Callable[[InUse], None]) -> None:
        """Look after the connection: where it is lost, take the locks again. `lost`, from a thread, when another one came in between. Idempotent."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, args=(lost,), name="use of the database", daemon=True)
            self._thread.start()

    def release(self) -> None:
        """Idempotent; from any thread."""
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2 * LOOK_S)
        self._disconnect()

    def _connect(self) -> Any:
        import psycopg  # a server on SQLite does without

        parameters = {**PATIENCE, **self._database.get_connection_params()}
        connection = psycopg.connect(**parameters, autocommit=True)
        name = f"llmsite {self.kind} {self.id} {os.getpid()}@{socket.gethostname()}"
        connection.execute("SELECT set_config('application_name', %s, false)", [name[:MOST_NAME]])
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def _take(self, number: int, shared: bool, replaces: Collection[str], wait_s: float) -> None:
        function = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
        until = time.monotonic() + wait_s
        while not self._connection.execute(f"SELECT {function}(%s, %s)", [NUMBER, number]).fetchone()[0]:
            holders = [(pid, *_said(name)) for pid, name in self._connection.execute(HOLDERS, [NUMBER, number]).fetchall()]
            for pid, _, id_, _ in holders:
                if id_ in replaces:
                    self._connection.execute("SELECT pg_terminate_backend(%s)", [pid])
            if time.monotonic() > until:
                _, kind, _, where = holders[0] if holders else (0, "", "", "")
                raise InUse(shown(self._database.settings_dict), kind, where)
            time.sleep(0.1)

    def _keep(self, lost: Callable[[InUse], None]) -> None:
        while not self._closing.wait(LOOK_S):
            try:
                if self._connection is None:
                    self._again()
                self._connection.execute("SELECT 1")
            except InUse as error:
                log.error("another one has begun to use the database while it could not be asked: %s", error)
                lost(error)
                return
            except Exception as error:
                log.warning("PostgreSQL does not answer: %s", " ".join(str(error).split()))
                self._disconnect()

    def _again(self) -> None:
        self._connection = self._connect()
        for number, shared in self._held:
            self._take(number, shared, {self.id}, WAIT_S)


_of_process: list[Use] = []
_one_at_a_time = threading.Lock()


def hold(kind: Kind, id: str = "") -> Use | None:
    """Use the configured database in this process; again is harmless, so `serve` and asgi.py may both ask. None for SQLite. Raises InUse."""
    if default_connection.vendor != "postgresql":
        return None
    with _one_at_a_time:
        if not _of_process:
            use = Use(kind, id)
            try:
                _of_process.append(use.acquire())
            except BaseException:
                use.release()
                raise
        return _of_process[0]


def let_go() -> None:
    """What `hold` took. Idempotent."""
    while _of_process:
        _of_process.pop().release()


@contextmanager
def alone(database: BaseDatabaseWrapper) -> Iterator[None]:
    """Nobody serves from it meanwhile. Raises InUse."""
    if database.vendor != "postgresql":
        yield
        return
    use = Use("move", database=database)
    try:
        use.acquire()
        yield
    finally:
        use.release()


@contextmanager
def clearing_up(gone: str) -> Iterator[bool]:
    """Whether this process may make final what the engine process `gone` left, which has been shut out: no other engine process lives on here."""
    use = Use("web")
    try:
        use.acquire(ENGINE, replaces={gone} - {""})
    except InUse as error:
        log.warning("what looks unfinished is left to its own process: %s", error)
        yield False
    else:
        yield True
    finally:
        use.release()


def _said(name: str) -> tuple[Kind, str, str]:
    """Kind, id, and process and computer, of what a connection is called."""
    match name.split(" "):
        case ["llmsite", ("server" | "engine" | "web" | "parent" | "move") as kind, id_, where]:
            return kind, id_, where
    return "", "", ""
