"""From SQLite to PostgreSQL in one command, and back: with what a real server wrote, and a server that goes on from it."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.http import ask
from tests.end_to_end.server import REFUSED, Server
from tests.end_to_end.store import Store
from tests.postgres import Postgres

pytestmark = [pytest.mark.process, pytest.mark.postgres]

PASSWORD = "never-to-be-seen"
TABLES = (
    "chat_owner",
    "chat_device",
    "chat_conversation",
    "chat_message",
    "chat_run",
    "chat_change",
    "chat_searchentry",
    "chat_feedback",
    "auth_user",
)


def counts(server: Server) -> dict[str, int]:
    return {table: Store(server).count(table) for table in TABLES}


def dump(data: Path) -> list[str]:
    """Everything that a SQLite database holds, as SQL."""
    with closing(sqlite3.connect(data / "llmsite.sqlite3")) as database:
        return [line for line in database.iterdump() if "sqlite_sequence" not in line and "chat_searchindex" not in line]


def at(server: Server, url: str) -> Server:
    """The same data folder and port with another database."""
    other = Server(server.kind, server.data, database_url=url)
    other.port = server.port
    return other


def with_password(url: str) -> str:
    """The tests' PostgreSQL asks for none; one in the address must nevertheless not come out again."""
    return url.replace("llmsite@", f"llmsite:{PASSWORD}@")


async def history(server: Server) -> dict[str, Any]:
    conversation = ask(server, "GET", "/api/conversations").json["items"][0]["id"]
    return dict(ask(server, "GET", f"/api/conversations/{conversation}").json)


def found(server: Server, words: str) -> int:
    """Messages: the fake engine repeats what was asked."""
    return len(ask(server, "GET", f"/api/search?q={words}").json["items"])


async def test_there_and_back(fresh: FreshServer, postgres: Postgres) -> None:
    server = fresh("uvicorn").start()
    server.expected += REFUSED
    async with Client(server) as client:
        first = await client.ask("春天 the garden 🌸 \\ \" ' %s")
        await client.ask("And a second one", conversation=first.conversation)
        await client.ask("Elsewhere")
    rated = ask(server, "PUT", f"/api/messages/{first.message}/feedback", body={"rating": 1, "comment": "好"})
    assert rated.status < 300, rated
    before, url = await history(server), postgres.database()

    busy = server.manage("move_database", "--to", url)
    assert busy.returncode == 8, "a server runs"
    await server.end(signal.SIGINT)
    made = server.manage("createsuperuser", "--noinput", "--username", "owner", "--email", "o@example.org")
    assert made.returncode == 0, made.stderr
    stored, rows = dump(server.data), counts(server)

    done = server.manage("move_database", "--to", with_password(url))
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^  chat_message +{rows['chat_message']} +{rows['chat_message']}$", done.stdout, re.M), done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert dump(server.data) == stored, "the old one is as it was"

    moved = at(server, url)
    assert counts(moved) == rows
    moved.start()
    try:
        assert await history(moved) == before
        assert (found(moved, "garden"), found(moved, "%E6%98%A5"), found(moved, "nowhere")) == (2, 2, 0)
        async with Client(moved) as client:
            view = await client.ask("It goes on", conversation=first.conversation)
            assert view.reason == "stop"
        assert found(moved, "goes") == 2
        rows = counts(moved)
    finally:
        moved.kill()

    again = server.manage("move_database", "--to", url)
    assert again.returncode == 9, "it is not empty any more"
    assert "is not empty" in again.stderr
    (server.data / "llmsite.sqlite3").rename(server.data / "old")
    back = moved.manage("move_database", "--to", "sqlite")
    assert back.returncode == 0, back.stderr
    assert counts(server) == rows
    assert (server.data / "llmsite.sqlite3").stat().st_mode & 0o077 == 0
    server.start()
    assert (found(server, "garden"), found(server, "goes")) == (2, 2)
    async with Client(server) as client:
        assert (await client.ask("And on", conversation=first.conversation)).reason == "stop"


def test_what_is_refused_is_said_and_leaves_nothing(fresh: FreshServer, postgres: Postgres) -> None:
    server, url = fresh("uvicorn"), postgres.database()
    server.expected += REFUSED
    server.data.mkdir(exist_ok=True)

    def refused(to: str) -> str:
        done = server.manage("move_database", "--to", to)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done.stderr

    assert "Start the server once" in refused(url), "there is nothing to move yet"
    assert server.manage("migrate", "--verbosity", "0").returncode == 0
    assert "must be an address like postgres://" in refused("mysql://x/y")
    assert "must be an address like postgres://" in refused(f"postgres://me:{PASSWORD}@[half/x")
    assert "same database" in refused("sqlite")
    refused(f"postgres://me:{PASSWORD}@127.0.0.1:1/x")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE somebody_elses (id int)")
    assert "a table somebody_elses" in refused(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'").fetchone() == (1,)
        connection.execute("DROP TABLE somebody_elses")
    with closing(sqlite3.connect(server.data / "llmsite.sqlite3")) as database, database:
        database.execute("INSERT INTO chat_persona (name, description, system_prompt, options) VALUES (?, '', '', '{}')", ["x" * 101])
    assert "A row of chat_persona was refused" in refused(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM auth_permission").fetchone() != (0,), "the tables were made"
        assert connection.execute("SELECT count(*) FROM chat_persona WHERE length(name) > 100").fetchone() == (0,)
    with closing(sqlite3.connect(server.data / "llmsite.sqlite3")) as database, database:
        database.execute("DELETE FROM chat_persona WHERE length(name) > 100")
    assert server.manage("move_database", "--to", url).returncode == 0, "what was refused may be tried again"
