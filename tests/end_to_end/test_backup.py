"""A copy of a live database, and a server that goes on from it: SQLite by our commands, PostgreSQL by its own programs, as docs/scaling.md says."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.client import Client, RunView
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.http import ask
from tests.end_to_end.server import REFUSED, Server
from tests.end_to_end.store import Store
from tests.postgres import Postgres, programs

pytestmark = pytest.mark.process


def _program(name: str) -> str:
    """Debian keeps some of PostgreSQL's programs off the PATH."""
    folder = programs()
    assert folder is not None
    return shutil.which(name) or str(folder / name)


async def in_mid_answer(client: Client) -> tuple[RunView, RunView]:
    """A whole answer, and one that is being written."""
    whole = await client.ask("whole")
    running = await client.pieces(await client.say("!say 200"), 5)
    return whole, running


def conversations(server: Server) -> set[str]:
    return {one["id"] for one in ask(server, "GET", "/api/conversations").json["items"]}


async def goes_on(server: Server, whole: RunView, cut: RunView) -> None:
    """The copy serves: what was whole is there, and what was being written can be continued."""
    assert conversations(server) >= {whole.conversation, cut.conversation}
    stored = Store(server).run(cut.run)
    assert (stored.status, stored.finish_reason) == ("done", "interrupted")
    assert cut.answer.startswith(stored.answer) or stored.answer.startswith(cut.answer)
    async with Client(server) as client:
        more = await client.finish(await client.submit(type="continue", message=cut.message))
        assert more.reason in ("stop", "length")
        assert more.answer.startswith(stored.answer)
        assert (await client.ask("and on", conversation=whole.conversation)).reason == "stop"


async def test_sqlite_while_a_server_writes(fresh: FreshServer, tmp_path: Path) -> None:
    server, copy = fresh("uvicorn").start(), tmp_path / "copy.sqlite3"
    server.expected += REFUSED
    async with Client(server) as client:
        whole, running = await in_mid_answer(client)
        done = await asyncio.to_thread(server.manage, "backup", str(copy))
        assert done.returncode == 0, done.stderr
        assert "2 conversations" in done.stdout
        await client.finish(running)
        assert running.reason == "stop", "the copy was not in its way"
        later = await client.ask("later")
    assert copy.stat().st_mode & 0o077 == 0, "it holds what people wrote"
    again = server.manage("backup", str(copy))
    assert (again.returncode, copy.with_name("copy.sqlite3.part").exists()) == (2, False), "nothing is overwritten"
    refused = server.manage("restore", str(copy))
    assert refused.returncode == 8, "a server runs"

    server.kill()  # its write-ahead log stays, and must not be taken for the copy's
    assert (server.data / "llmsite.sqlite3-wal").stat().st_size > 0
    (tmp_path / "noise").write_bytes(copy.read_bytes()[:5000])
    broken = server.manage("restore", str(tmp_path / "noise"))
    assert (broken.returncode, "no whole database" in broken.stderr) == (9, True)
    restored = server.manage("restore", str(copy))
    assert restored.returncode == 0, restored.stderr
    kept = min(server.data.glob("llmsite.sqlite3.before-*"), key=lambda path: len(path.name))
    with closing(sqlite3.connect(kept)) as former:
        assert former.execute("SELECT count(*) FROM chat_conversation").fetchone() == (3,), "with what was in its log only"
    server.start()
    assert later.conversation not in conversations(server)
    await goes_on(server, whole, running)


@pytest.mark.postgres
async def test_postgresql_by_its_own_programs(fresh: FreshServer, postgres: Postgres, tmp_path: Path) -> None:
    server, copy = fresh("uvicorn", "postgres").start(), tmp_path / "copy.dump"
    server.expected += REFUSED
    told = server.manage("backup", str(copy))
    assert (told.returncode, "pg_dump" in told.stderr) == (2, True)
    async with Client(server) as client:
        whole, running = await in_mid_answer(client)
        dump = [_program("pg_dump"), "--format=custom", f"--file={copy}", server.database_url]
        await asyncio.to_thread(subprocess.run, dump, check=True, timeout=120)
        await client.finish(running)
        assert running.reason == "stop"
    server.kill()
    url = postgres.database()
    back = [_program("pg_restore"), "--exit-on-error", "--no-owner", f"--dbname={url}", str(copy)]
    await asyncio.to_thread(subprocess.run, back, check=True, timeout=120)
    other = Server("uvicorn", server.data, database_url=url)
    try:
        await goes_on(other.start(), whole, running)
    finally:
        other.kill()
