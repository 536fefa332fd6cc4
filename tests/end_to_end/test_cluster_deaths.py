"""kill -9 of each process of a server in mid-answer, and a Redis that forgets everything: no turn is lost, and nobody is told two things."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGSTOP
from uuid import uuid4

import pytest

from llmsite.serve.exits import Exit
from tests.end_to_end.client import Client, Refused, RunView
from tests.end_to_end.cluster import Cluster, children_of, kill_hard, until
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.server import LIMIT_S, Server
from tests.end_to_end.store import Store
from tests.end_to_end.test_cluster import words
from tests.postgres import Postgres
from tests.redis import Redis

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def own_redis(redis: Redis) -> Iterator[Redis]:
    """One that the tests may stop. (`redis` says whether there can be one.)"""
    with Redis() as running:
        yield running


@pytest.fixture(scope="module")
def _cluster(folder: Path, postgres: Postgres, own_redis: Redis) -> Iterator[Cluster]:
    made = Cluster(Path(tempfile.mkdtemp(dir=folder)), postgres.database(), own_redis.url())
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    """Whatever the last test killed runs again."""
    yield _cluster.start()
    _cluster.check_logs()


async def reconnect(phone: Client, server: Server) -> None:
    phone.url = phone.url.replace(f":{phone.server.port}/", f":{server.port}/")
    phone.server = server
    await phone.connect()


async def said(phone: Client, text: str, **fields: str) -> RunView:
    """As clients do it: what is refused for now is sent again with the same key."""
    key = uuid4().hex
    while True:
        try:
            return await phone.say(text, key=key, **fields)
        except Refused as refused:
            if not refused.error["retryable"]:
                raise
            await asyncio.sleep(0.2)


async def until_true(happened: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(until, happened, what)


async def test_a_web_process_dies_and_its_phones_go_on_at_the_other(cluster: Cluster) -> None:
    one, two = cluster.webs
    phone = await Client(one).connect()
    run = await phone.pieces(await phone.say("!say 150", conversation=str(uuid4())), 20)
    one.kill()
    await phone.gone()
    await reconnect(phone, two)
    await phone.finish(await phone.resume(run.run))
    await phone.leave()
    assert (run.answer, run.reason, run.rewinds) == (words(150), "stop", 0)
    one.start()
    async with Client(one) as again:
        assert (await again.finish(await again.resume(run.run, -1))).answer == words(150)


async def test_the_engine_process_dies_and_its_answers_are_continued(cluster: Cluster) -> None:
    """Both phones see the end, at whichever web process they are; what is stored is at least what they saw; and it goes on from there."""
    one, two = cluster.webs
    async with Client(one) as asks, Client(two) as watches:
        run = await asks.pieces(await asks.say("!say 200", conversation=str(uuid4())), 30)
        seen = await watches.pieces(await watches.resume(run.run), 30)
        waiting = await asks.say("and then?", conversation=run.conversation)
        cluster.engine.kill()
        async with Client(two) as comes:  # before anybody has cleared up
            found = await comes.finish(await comes.resume(run.run))
        for phone, view in ((asks, run), (watches, seen), (asks, waiting)):
            await phone.finish(view)
            assert view.reason == "interrupted"
            assert view.rewinds == 0, "what was seen is stored, because Redis has it"
        assert (found.reason, found.answer) == (run.reason, run.answer)
        stored = Store(one).run(run.run)
        assert (stored.status, stored.finish_reason, stored.answer, stored.events) == ("done", "interrupted", run.answer, 0)
        assert seen.answer == run.answer

        with pytest.raises(Refused) as refused:
            await asks.say("is anybody there?", conversation=str(uuid4()))
        assert (refused.value.code, refused.value.error["retryable"]) == ("engine_away", True)
        cluster.engine.begin()
        rest = await said(watches, "!say 3", conversation=str(uuid4()))
        assert (await watches.finish(rest)).answer == words(3)
        rest = await watches.finish(await watches.submit(type="continue", message=run.message))
        assert rest.start is not None
        assert rest.start["content"] == stored.answer
        assert rest.answer == words(200)


async def test_redis_forgets_everything_in_mid_answer(cluster: Cluster, own_redis: Redis) -> None:
    one, two = cluster.webs
    async with Client(one) as asks, Client(two) as watches:
        run = await asks.pieces(await asks.say("!say 300", conversation=str(uuid4())), 20)
        seen = await watches.pieces(await watches.resume(run.run), 20)
        own_redis.stop()
        await asyncio.sleep(1)
        own_redis.start()
        for phone, view in ((asks, run), (watches, seen)):
            assert (await phone.finish(view)).reason == "stop"
            assert view.answer == words(300)
        later = await said(asks, "!say 2", conversation=str(uuid4()))
        assert (await asks.finish(later)).answer == words(2)


async def test_a_second_engine_process_stands_in(cluster: Cluster) -> None:
    """Never two at once: the second waits until the first is gone."""
    one, _ = cluster.webs
    engine = cluster.engine
    second = type(engine)(
        "engine-2", engine.data.with_name(engine.data.name + "-2"), engine.database_url, engine.environment["REDIS_URL"], ["engine"], {}
    )
    try:
        second.begin()
        await until_true(lambda: "Another engine process is running" in second.output.read_text(), "the second to say that it waits")
        async with Client(one) as phone:
            run = await phone.pieces(await phone.say("!say 200", conversation=str(uuid4())), 10)
            engine.kill()
            assert (await phone.finish(run)).reason == "interrupted"
            assert (await phone.finish(await said(phone, "!say 3", conversation=str(uuid4())))).answer == words(3)
    finally:
        second.kill()


async def test_an_engine_process_that_only_sleeps_is_replaced_and_ends_when_it_wakes(cluster: Cluster) -> None:
    """It still has its connection to PostgreSQL, and with that the lock of whoever may write answers: that is taken from it."""
    one, _ = cluster.webs
    engine = cluster.engine
    second = type(engine)(
        "engine-3", engine.data.with_name(engine.data.name + "-3"), engine.database_url, engine.environment["REDIS_URL"], ["engine"], {}
    )
    assert engine.process is not None
    async with Client(one) as phone:
        run = await phone.pieces(await phone.say("!say 2000", conversation=str(uuid4())), 10)
        engine.process.send_signal(SIGSTOP)
        try:
            assert (await phone.finish(run)).reason == "interrupted"
            second.begin()
            assert (await phone.finish(await said(phone, "!say 3", conversation=str(uuid4())))).answer == words(3)
            stored = Store(one).run(run.run)
            engine.process.send_signal(SIGCONT)
            assert await asyncio.to_thread(engine.process.wait, LIMIT_S) == Exit.LOCKED
            assert Store(one).run(run.run) == stored
            assert (await phone.finish(await said(phone, "!say 3", conversation=str(uuid4())))).answer == words(3)
        finally:
            engine.kill()
            second.kill()


async def test_serve_starts_again_what_dies(fresh: FreshServer, redis: Redis) -> None:
    """`serve --workers`, as a person runs it: kill -9 of the engine process, then of each web process; Ctrl-C ends all of them."""
    server = fresh("workers", "postgres", REDIS_URL=redis.url(63)).start()
    phone = await Client(server).connect()
    run = await phone.pieces(await phone.say("!say 200", conversation=str(uuid4())), 20)
    kill_hard(children_of(server, "engine")[0])
    assert (await phone.finish(run)).reason == "interrupted"
    rest = await phone.pieces(await phone.submit(type="continue", message=run.message) if await ready(server) else run, 5)
    for web in children_of(server, "serve"):
        kill_hard(web)
    await phone.gone()
    await until_true(server.is_ready, "a web process to serve again")
    await phone.connect()
    await phone.finish(await phone.resume(rest.run))
    assert rest.answer == words(200)
    assert len(await asyncio.to_thread(until, lambda: two_webs(server), "both web processes")) == 2
    processes = [*children_of(server, "engine"), *children_of(server, "serve")]
    last = await phone.pieces(await phone.say("!say 900", conversation=str(uuid4())), 10)
    assert await server.end(SIGINT) == 0
    await phone.gone()
    stored = Store(server).run(last.run)
    assert (stored.status, stored.finish_reason, stored.events) == ("done", "interrupted", 0)
    assert stored.answer.startswith(last.answer)
    assert [process for process in processes if process.is_running()] == []


async def ready(server: Server) -> bool:
    await until_true(server.is_ready, "the engine process to be there again")
    return True


def two_webs(server: Server) -> list[object]:
    found = children_of(server, "serve")
    return list(found) if len(found) == 2 else []
