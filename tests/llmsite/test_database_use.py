"""Who uses a PostgreSQL database is known to whoever else would, and nothing is left locked by what has died. On a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGSTOP
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.db.utils import OperationalError

from llmsite import database_use
from llmsite.database_use import ENGINE, USE, InUse, Kind, Use
from llmsite.databases import database
from llmsite.serve import words
from llmsite.serve.exits import Exit, explain
from tests.postgres import Postgres

pytestmark = pytest.mark.postgres

LIMIT_S = 60.0
ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, django
django.setup()
from llmsite.database_use import ENGINE, Use
use = Use("engine", "other").acquire()
use.acquire(ENGINE)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def use(url: str) -> Iterator[Callable[..., Use]]:
    """Makes uses of one database, each as by a process of its own."""
    made: list[Use] = []
    connections.settings["used"] = connections.configure_settings({"default": {}, "used": database(url, Path())})["used"]

    def make(kind: Kind, id: str = "") -> Use:
        made.append(Use(kind, id, connections.create_connection("used")))
        return made[-1]

    yield make
    for one in made:
        one.release()
    del connections.settings["used"]


@contextmanager
def another_process(url: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An engine process with the id "other", that holds what it may."""
    environment = {**os.environ, "DATABASE_URL": url, "LLMSITE_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "llmsite.settings"}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def end_connections(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s AND datname = current_database()"
        assert admin.execute(query, [f"llmsite {name} %"]).fetchall() == [(True,)]


@pytest.mark.parametrize("first", ["server", "move"])
@pytest.mark.parametrize("second", ["server", "move", "parent", "engine", "web"])
def test_a_server_of_one_process_shares_with_nobody(use: Callable[..., Use], first: Kind, second: Kind) -> None:
    held = use(first).acquire()
    with pytest.raises(InUse) as refused:
        use(second).acquire(wait_s=0)
    assert (refused.value.kind, refused.value.where.split("@")[0]) == (first, str(os.getpid()))
    held.release()
    other = use(second).acquire()
    with pytest.raises(InUse) as refused:
        use(first).acquire(wait_s=0)
    assert refused.value.kind == second
    other.release()


def test_processes_of_one_server_share_and_one_of_them_is_the_engine(use: Callable[..., Use]) -> None:
    kinds: list[Kind] = ["parent", "engine", "web", "web", "engine"]
    uses = [use(kind).acquire() for kind in kinds]
    uses[1].acquire(ENGINE)
    with pytest.raises(InUse, match="in use by engine"):
        uses[4].acquire(ENGINE, wait_s=0)
    uses[1].release()
    uses[4].acquire(ENGINE, wait_s=LIMIT_S)


def test_other_databases_are_other_servers(use: Callable[..., Use], postgres: Postgres) -> None:
    use("server").acquire()
    with psycopg.connect(postgres.database()) as elsewhere:
        assert elsewhere.execute("SELECT pg_try_advisory_lock(%s, %s)", [database_use.NUMBER, USE]).fetchone() == (True,)


def test_a_killed_process_leaves_nothing_locked(use: Callable[..., Use], url: str, tmp_path: Path) -> None:
    with another_process(url, tmp_path) as process:
        server = use("server")
        with pytest.raises(InUse) as refused:
            server.acquire(wait_s=0)
        assert (refused.value.kind, refused.value.where.split("@")[0]) == ("engine", str(process.pid))
        process.kill()
        process.wait()
        server.acquire(wait_s=LIMIT_S)


def test_a_process_that_sleeps_and_was_shut_out_is_replaced_and_no_other(use: Callable[..., Use], url: str, tmp_path: Path) -> None:
    with another_process(url, tmp_path) as process:
        process.send_signal(SIGSTOP)
        engine = use("engine").acquire()
        with pytest.raises(InUse):
            engine.acquire(ENGINE, replaces={"somebody else"}, wait_s=0.3)
        engine.acquire(ENGINE, replaces={"other"}, wait_s=LIMIT_S)


def test_what_an_engine_process_left_is_cleared_up_by_one(use: Callable[..., Use], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = use("engine", "one").acquire()
    engine.acquire(ENGINE)
    monkeypatch.setattr(database_use, "Use", lambda kind: use(kind))
    monkeypatch.setattr(database_use, "WAIT_S", 0.0)
    with database_use.clearing_up("another") as may:
        assert not may
    with database_use.clearing_up("") as may:
        assert not may
    with database_use.clearing_up("one") as may:
        assert may, "that one was shut out, should it only have slept"
    again = use("engine").acquire()
    again.acquire(ENGINE)


def test_a_connection_that_was_lost_is_made_again(use: Callable[..., Use], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_use, "LOOK_S", 0.02)
    server = use("server").acquire()
    server.keep(lambda error: pytest.fail(f"lost: {error}"))
    before = backends(url)
    end_connections(url, "server")
    until(lambda: (found := backends(url)) and found != before, "another connection with the lock")
    with pytest.raises(InUse):
        use("web").acquire(wait_s=0)


def test_who_loses_the_database_to_another_is_told(use: Callable[..., Use], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_use, "LOOK_S", 0.02)
    lost, told = threading.Event(), []
    server, next_one = use("server").acquire(), use("server")
    with ExitStack() as stack:
        # While it cannot ask, another one comes: its own wait for PostgreSQL is what the test holds up.
        gate = threading.Event()
        stack.callback(gate.set)
        connect = server._connect

        def later() -> Any:
            assert gate.wait(LIMIT_S)
            return connect()

        monkeypatch.setattr(server, "_connect", later)
        monkeypatch.setattr(database_use, "WAIT_S", 0.2)
        server.keep(lambda error: (told.append(error), lost.set())[0])
        end_connections(url, "server")
        next_one.acquire(wait_s=LIMIT_S)
    assert lost.wait(LIMIT_S)
    assert told[0].kind == "server"


def backends(url: str) -> list[tuple[int]]:
    """The connections that hold USE."""
    with psycopg.connect(url) as admin:
        query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND granted"
        return admin.execute(query, [database_use.NUMBER, USE]).fetchall()


def until(happened: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < limit, f"waited too long for {what}"
        time.sleep(0.02)


def test_a_postgresql_that_is_away_is_a_database_error() -> None:
    connections.settings["away"] = connections.configure_settings({"default": {}, "away": database("postgres://u@127.0.0.1:1/x", Path())})["away"]
    try:
        with pytest.raises(OperationalError):
            Use("server", database=connections.create_connection("away")).acquire()
    finally:
        del connections.settings["away"]


def test_sqlite_needs_none() -> None:
    assert database_use.hold("server") is None


@pytest.mark.parametrize(
    ("language", "kind", "said"),
    [
        ("C", "server", "A server of one process (12@here) uses the database PostgreSQL x at h:1. Stop that first"),
        ("C", "", "Another program uses the database"),
        ("zh_CN.UTF-8", "engine", "一个多进程服务的引擎进程（12@here）正在使用数据库 PostgreSQL x at h:1。请先停止它"),
    ],
)
def test_it_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, language: str, kind: Kind, said: str) -> None:
    monkeypatch.setenv("LC_ALL", language)
    words.language.cache_clear()
    try:
        stopped = explain(InUse("PostgreSQL x at h:1", kind, "12@here" if kind else ""))
    finally:
        words.language.cache_clear()
    assert stopped is not None
    assert stopped.code == Exit.LOCKED
    assert said in stopped.sentence
