"""One database, one server: whoever would clear up behind answers that are being written elsewhere is refused, and kill -9 leaves nothing locked."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from llmsite.database_use import NUMBER, USE
from llmsite.serve.exits import Exit
from tests.end_to_end.client import Client
from tests.end_to_end.cluster import Cluster, Unit, until
from tests.end_to_end.http import ask
from tests.end_to_end.server import LIMIT_S
from tests.end_to_end.test_cluster import words
from tests.postgres import Postgres
from tests.redis import Redis

pytestmark = [pytest.mark.process, pytest.mark.postgres]

COMMANDS = {
    "plain": ["serve", "--host", "127.0.0.1", "--port", "{port}", "--no-qr"],
    "engine": ["engine"],
    "web": ["serve", "--web", "--host", "127.0.0.1", "--port", "{port}", "--no-qr"],
    "workers": ["serve", "--workers", "2", "--host", "127.0.0.1", "--port", "{port}", "--no-qr"],
    "runserver": ["runserver", "127.0.0.1:{port}", "--noreload"],
}


@pytest.fixture
def unit(folder: Path) -> Iterator[Callable[..., Unit]]:
    """Makes processes with data folders of their own, as on several computers."""
    made: list[Unit] = []

    def make(name: str, database_url: str, redis_url: str, **environment: str) -> Unit:
        made.append(Unit(name, Path(tempfile.mkdtemp(dir=folder)), database_url, redis_url, COMMANDS[name], environment))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def refusals(units: list[Unit]) -> list[tuple[int, str]]:
    """All started at once: exit code and last line of each."""
    for one in units:
        one.begin()
    found = []
    for one in units:
        assert one.process is not None
        found.append((one.process.wait(LIMIT_S), one.output.read_text("utf-8").strip().splitlines()[-1]))
    return found


async def test_beside_a_server_of_several_processes(folder: Path, postgres: Postgres, redis: Redis, unit: Callable[..., Unit]) -> None:
    url = postgres.database()
    cluster = Cluster(Path(tempfile.mkdtemp(dir=folder)), url, redis.url(58), webs=1)
    try:
        cluster.start()
        async with Client(cluster.webs[0]) as phone:
            run = await phone.pieces(await phone.say("!say 300", conversation=str(uuid4())), 5)
            plain, engine = refusals([unit("plain", url, "", LC_ALL="zh_CN.UTF-8"), unit("engine", url, redis.url(59))])
            assert plain[0] == engine[0] == Exit.LOCKED
            assert "正在使用数据库 PostgreSQL" in plain[1]
            assert engine[1].startswith("The engine process of a server of several processes (")
            assert (await phone.finish(run)).reason == "stop", "nobody has made it final"
            assert run.answer == words(300)
        cluster.kill()
        after = unit("plain", url, "")
        after.start()
    finally:
        cluster.kill()


def test_beside_a_server_of_one_process(postgres: Postgres, redis: Redis, unit: Callable[..., Unit]) -> None:
    """One that is started by another program than `serve` tells those who ask that it does not serve, and nothing of who does."""
    url = postgres.database()
    unit("plain", url, "").start()
    other = unit("runserver", url, "")
    other.begin()
    others = [unit(name, url, redis.url(number)) for name, number in (("plain", 55), ("engine", 56), ("web", 57), ("workers", 58))]
    for code, sentence in refusals(others):
        assert code == Exit.LOCKED, sentence
        assert sentence.startswith("A server of one process (")
        assert "uses the database PostgreSQL" in sentence
    told = until(lambda: refusal_of(other), "its answer")
    assert told == "The server could not start: another server uses its database. The log says which.\n"
    assert "in use by server" in other.log()


def refusal_of(server: Unit) -> str:
    try:
        answer = ask(server, "GET", "/healthz")
    except OSError:
        return ""
    assert answer.status == 503
    return answer.text


async def test_a_server_ends_that_has_lost_its_database_to_another(postgres: Postgres, unit: Callable[..., Unit]) -> None:
    """Its connection is cut, and somebody else, who waits for the lock already, has it before the server asks again."""
    url = postgres.database()
    server = unit("plain", url, "")
    server.start()
    async with Client(server) as phone:
        run = await phone.pieces(await phone.say("!say 2000", conversation=str(uuid4())), 10)
        with psycopg.connect(url, autocommit=True) as other, psycopg.connect(url, autocommit=True) as admin:
            waiting = asyncio.create_task(asyncio.to_thread(other.execute, f"SELECT pg_advisory_lock({NUMBER}, {USE})"))
            query = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = {NUMBER} AND objid = {USE} AND granted = "
            await asyncio.to_thread(until, lambda: admin.execute(query + "false").fetchall(), "the other one to wait")
            ((holder,),) = admin.execute(query + "true").fetchall()
            admin.execute("SELECT pg_terminate_backend(%s)", [holder])
            await waiting
            await phone.finish(run)
            assert run.reason == "interrupted"
            assert server.process is not None
            assert await asyncio.to_thread(server.process.wait, LIMIT_S) == Exit.LOCKED
    assert server.output.read_text("utf-8").strip().splitlines()[-1].startswith("Another program uses the database PostgreSQL")
    server.expected.append("database_use.InUse")
    server.check_log()
