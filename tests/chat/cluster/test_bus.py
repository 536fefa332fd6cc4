"""Redis as the processes use it, with a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from chat.cluster.bus import AT_ONCE, Bus, BusDown, Entry, SyncBus, place_of
from tests.redis import PASSWORD, Redis


@pytest.fixture
async def bus(redis: Redis) -> AsyncIterator[Bus]:
    made = Bus(redis.url())
    yield made
    await made.close()


@pytest.fixture
def sync(redis: Redis) -> Iterator[SyncBus]:
    made = SyncBus(redis.url())
    yield made
    made.close()


async def test_what_is_written_is_read_once_in_its_order(bus: Bus) -> None:
    await bus.write([Entry("s", '{"n":1}'), Entry("other", '{"n":9}'), Entry("s", '{"n":2}')])
    found = await bus.read({"s": "0-0"}, 10)
    assert [body["n"] for _, _, body in found] == [1, 2]
    assert await bus.read({"s": found[-1][1]}, 10) == []
    assert await bus.end_of("s") == found[-1][1]
    assert await bus.end_of("none") == "0-0"


async def test_a_stream_waits_until_those_before_it_are_read(bus: Bus) -> None:
    """What is said later, in a later stream, may be about what was said in an earlier one."""
    await bus.write([Entry("answers", f'{{"n":{number}}}') for number in range(AT_ONCE + 1)] + [Entry("log", '{"n":"later"}')])
    first = await bus.read({"answers": "0-0", "log": "0-0"}, 10)
    assert [(stream, body["n"]) for stream, _, body in first] == [("answers", number) for number in range(AT_ONCE)]
    then = await bus.read({"answers": first[-1][1], "log": "0-0"}, 10)
    assert [(stream, body["n"]) for stream, _, body in then] == [("answers", AT_ONCE), ("log", "later")]


async def test_one_engine_process_has_the_lock(bus: Bus, sync: SyncBus) -> None:
    assert sync.take("a") == 1
    assert sync.take("a") == 1, "again is keeping it"
    assert sync.take("b") == 0
    assert (await bus.pulse("web"))[0] == "a"
    sync.release("b")
    assert sync.take("b") == 0, "nobody gives away what another one has"
    assert not await bus.fence("a", "web", 5), "it lives"
    sync.release("a")
    assert sync.take("b") == 1
    sync.release("b")


async def test_who_was_thought_dead_stays_out(bus: Bus, sync: SyncBus) -> None:
    assert sync.take("sleeper") == 1
    sync.release("sleeper")  # as if its lock had lapsed
    assert await bus.fence("sleeper", "web", 5)
    assert not await bus.fence("sleeper", "web-2", 5), "one of them is enough"
    assert (await bus.pulse("web"))[0] is None, "who clears up is no engine process"
    assert sync.take("next") == 0, "not before it is cleared up"
    assert sync.take("sleeper") == -1
    await bus.unfence("web")
    assert sync.take("sleeper") == -1
    assert sync.take("next") == 1
    sync.release("next")


async def test_what_the_engine_process_says_of_itself_outlives_it(bus: Bus, sync: SyncBus) -> None:
    sync.set_status({"engine": "x", "state": "ready"})
    assert (await bus.pulse("web"))[1] == {"engine": "x", "state": "ready"} == sync.status()
    await bus.set_name("desk.local")
    assert (await bus.pulse("web"))[2] == "desk.local" == sync.name()


async def test_a_redis_that_is_away_or_wants_another_password_is_one_kind_of_error(redis: Redis) -> None:
    for url in (redis.url(password="wrong-one"), "redis://:secret-one@127.0.0.1:1/0"):
        bus = Bus(url)
        with pytest.raises(BusDown) as down:
            await bus.pulse("web")
        for secret in ("wrong-one", "secret-one", PASSWORD):
            assert secret not in str(down.value)
        with pytest.raises(BusDown):
            SyncBus(url).ping()
        await bus.close()


def test_an_address_is_shown_without_what_it_takes_to_get_in() -> None:
    assert place_of("redis://user:secret@db.example:6380/2") == "redis://db.example:6380/2"
