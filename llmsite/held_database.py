"""One connection to SQLite that stays open as long as the server runs."""

from __future__ import annotations

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper


def hold_open() -> BaseDatabaseWrapper | None:
    """A connection that may be closed from any thread; None where the database is not SQLite.

    The connections of threads come and go with them. Whoever closes the last one folds SQLite's log into the database and removes the log and
    its index. When that was another process, which had looked into the database while the server's threads opened theirs, they were left with
    files that were gone ("disk I/O error" until the end of the server). While this one is open, nobody is the last.
    """
    if connection.vendor != "sqlite":
        return None
    held: BaseDatabaseWrapper = connection.copy()
    held.inc_thread_sharing()
    with held.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master")  # only a connection that has read takes part
    return held
