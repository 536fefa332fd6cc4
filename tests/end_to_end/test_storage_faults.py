"""A database that is locked, full or away: nobody loses what they see, and nobody reads a database's own words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from signal import SIGTERM
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store
from tests.postgres import Postgres

pytestmark = pytest.mark.process

FULL = "database or disk is full"


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Another program writes to the database: a backup, an owner's script."""
    with closing(sqlite3.connect(server.data / "llmsite.sqlite3", timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")


@contextmanager
def failing(server: Server, event: str) -> Iterator[None]:
    """SQLite fails as on a full disk at each `event`."""
    store = Store(server)
    store.rows(f"CREATE TRIGGER full {event} BEGIN SELECT RAISE(ABORT, '{FULL}'); END")
    yield
    store.rows("DROP TRIGGER full")


async def test_a_locked_database_delays_and_nobody_notices(fresh: FreshServer) -> None:
    server = fresh().start()
    async with Client(server) as client:
        run = await client.pieces(await client.say("!say 100", conversation=str(uuid4())), 5)
        with locked(server):
            await client.send(type="message", message="and?", conversation=run.conversation, key=(key := uuid4().hex))
            await client.pieces(run, run.seq + 60)  # the text goes on meanwhile
            assert key not in client.by_key
        await client.finish(run)
        await client.until(lambda: key in client.by_key, "the other message")
        assert (await client.finish(client.by_key[key])).answer == "echo: and?"
        assert client.count("error") == 0
    assert run.answer == Store(server).run(run.run).answer == "".join(f"w{i} " for i in range(100))
    assert "locked" not in server.log()


async def test_who_looks_into_the_database_from_outside_never_removes_its_log(fresh: FreshServer) -> None:
    """Also when none of the server's threads has a connection: the last to close one removes the log, and whoever opens one meanwhile has lost."""
    server = fresh().start()
    for _ in range(3):
        Store(server).count("chat_run")
        assert sorted(path.name for path in server.data.glob("llmsite.sqlite3-*")) == ["llmsite.sqlite3-shm", "llmsite.sqlite3-wal"]
    await server.end(SIGTERM)
    assert not list(server.data.glob("llmsite.sqlite3-*")), "at its end it tidies up"


async def test_a_log_that_cannot_be_flushed_does_not_end_the_answer(fresh: FreshServer) -> None:
    server = fresh().start()
    server.expected.append(FULL)
    with failing(server, "BEFORE INSERT ON chat_runevent"):
        async with Client(server) as client:
            run = await client.ask("!say 30")
    assert (run.reason, run.error) == ("stop", None)
    assert "could not be flushed" in server.log()
    assert Store(server).run(run.run).answer == run.answer == "".join(f"w{i} " for i in range(30))


async def test_an_answer_that_cannot_be_stored_says_so_and_is_recovered(fresh: FreshServer) -> None:
    server = fresh().start()
    server.expected.append(FULL)
    async with Client(server) as client:
        with failing(server, "BEFORE UPDATE OF status ON chat_run WHEN NEW.status = 'done'"):
            run = await client.ask("!say 30")
        assert run.error is not None
        assert run.error["code"] == "storage"
        assert run.answer == "".join(f"w{i} " for i in range(30))
        assert (await client.ask("and now?")).answer == "echo: and now?"
    server.kill()
    await server.start_again()
    stored = Store(server).run(run.run)
    assert (stored.status, stored.finish_reason) == ("done", "interrupted")
    assert run.answer.startswith(stored.answer)
    assert len(stored.answer) > 20


async def test_a_message_that_cannot_be_stored_is_refused_and_can_be_sent_again(fresh: FreshServer) -> None:
    server = fresh().start()
    server.expected.append(FULL)
    async with Client(server) as client:
        with failing(server, "BEFORE INSERT ON chat_message"):
            await client.send(type="message", message="hello", key=(key := uuid4().hex))
            error = await client.error("internal")
        assert (error["key"], error["retryable"]) == (key, True)
        assert FULL not in error["message"]
        assert (await client.ask("hello", key=key)).answer == "echo: hello"


async def test_postgres_restarts_in_mid_answer(fresh: FreshServer) -> None:
    with Postgres() as own:
        server = fresh()
        server.database_url = server.environment["DATABASE_URL"] = own.database()
        server.expected += ["OperationalError", "AdminShutdown", "InterfaceError"]
        server.start()
        async with Client(server) as client:
            run = await client.pieces(await client.say("!say 150", conversation=str(uuid4())), 10)
            own.stop("immediate")
            own.start()
            await client.finish(run)
            assert (run.reason, run.error, run.answer) == ("stop", None, "".join(f"w{i} " for i in range(150)))
            assert Store(server).run(run.run).answer == run.answer
            assert (await client.ask("still there")).answer == "echo: still there"
        server.kill()


async def test_postgres_restarts_while_nobody_talks(fresh: FreshServer) -> None:
    with Postgres() as own:
        server = fresh()
        server.database_url = server.environment["DATABASE_URL"] = own.database()
        server.start()
        async with Client(server) as client:
            assert (await client.ask("one")).answer == "echo: one"
            own.stop("fast")
            own.start()
            assert (await client.ask("two")).answer == "echo: two", "a connection that the database closed is noticed before it is used"
        server.kill()
