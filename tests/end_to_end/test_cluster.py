"""Two web processes and one engine process, on a real Redis and a real PostgreSQL: a phone may be at either, and either may die."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.cluster import Cluster
from tests.end_to_end.store import Store
from tests.postgres import Postgres
from tests.redis import Redis

pytestmark = pytest.mark.process

_NUMBERS = count()


def words(number: int) -> str:
    return "".join(f"w{i} " for i in range(number))


@pytest.fixture(scope="module")
def shared(folder: Path, postgres: Postgres, redis: Redis) -> Iterator[Cluster]:
    """For tests that kill nothing."""
    made = Cluster(Path(tempfile.mkdtemp(dir=folder)), postgres.database(), redis.url(next(_NUMBERS)))
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    yield shared
    shared.check_logs()


async def test_an_answer_is_watched_and_stopped_from_the_other_process(cluster: Cluster) -> None:
    one, two = cluster.webs
    async with Client(one) as asks, Client(two) as watches:
        run = await asks.pieces(await asks.say("!say 900", conversation=str(uuid4())), 5)
        seen = await watches.resume(run.run)
        await watches.pieces(seen, 10)
        await watches.send(type="stop", run=run.run)
        await watches.finish(seen)
        await asks.finish(run)
        assert run.reason == seen.reason == "stopped"
        assert run.answer == seen.answer == Store(one).run(run.run).answer
        assert words(900).startswith(run.answer)


async def test_a_process_that_only_hears_stop_stops(cluster: Cluster) -> None:
    one, two = cluster.webs
    async with Client(one) as asks, Client(two) as stops:
        run = await asks.pieces(await asks.say("!say 900", conversation=str(uuid4())), 5)
        await stops.send(type="stop", run=run.run)
        assert (await asks.finish(run)).reason == "stopped"


async def test_resume_across_processes_loses_and_doubles_nothing(cluster: Cluster) -> None:
    """A phone that changes process again and again while its answer is written; its client refuses a gap and a repetition."""
    async with Client(cluster.webs[0]) as phone:
        run = await phone.pieces(await phone.say("!think !say 120", conversation=str(uuid4())), 5)
    for turn in range(1, 6):
        phone.url = phone.url.replace(f":{phone.server.port}/", f":{cluster.webs[turn % 2].port}/")
        phone.server = cluster.webs[turn % 2]
        await phone.connect()
        await phone.pieces(await phone.resume(run.run), 5 + turn * 10)
        phone.drop()
        await phone.gone()
    await phone.connect()
    await phone.finish(await phone.resume(run.run))
    await phone.leave()
    assert (run.answer, run.reason, run.rewinds) == (words(120), "stop", 0)


async def test_the_same_key_on_two_processes_is_one_message(cluster: Cluster) -> None:
    one, two = cluster.webs
    async with Client(one) as first, Client(two) as second:
        key, conversation = uuid4().hex, str(uuid4())
        runs = await asyncio.gather(*(phone.say("!say 30", key=key, conversation=conversation) for phone in (first, second)))
        assert runs[0].run == runs[1].run
        assert [(await phone.finish(run)).answer for phone, run in zip((first, second), runs, strict=True)] == [words(30)] * 2
        again = await second.say("!say 30", key=key, conversation=conversation)
        assert (await second.finish(again)).run == runs[0].run
    assert Store(one).messages(key) == 1


async def test_places_in_the_queue_count_over_processes(cluster: Cluster) -> None:
    async with Client(cluster.webs[0]) as one, Client(cluster.webs[1]) as two:
        running = [await one.say("!say 900", conversation=str(uuid4())) for _ in range(8)]
        for run in running:
            await one.pieces(run, 1)
        waiting = [await phone.say("!say 1", conversation=str(uuid4())) for phone in (one, two, one)]
        await two.until(lambda: waiting[1].places != [], "a place in the queue")
        assert [run.places[-1]["position"] for run in waiting] == [0, 1, 2]
        for run in running:
            await one.send(type="stop", run=run.run)
        for phone, run in zip((one, two, one), waiting, strict=True):
            assert (await phone.finish(run)).answer == words(1)


async def test_what_changes_at_one_is_told_at_the_other(cluster: Cluster) -> None:
    async with Client(cluster.webs[0]) as one, Client(cluster.webs[1]) as two:
        run = await one.ask("hello", conversation=str(uuid4()))
        await two.until(lambda: any(f["type"] == "changed" and f["conversation"] == run.conversation for f in two.frames), "`changed`")
