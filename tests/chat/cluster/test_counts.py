"""Two web processes count as one where Redis is there, and each by itself where it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from chat.cluster import counts
from chat.cluster.bus import Bus
from chat.cluster.counts import Counts
from chat.cluster.web_link import WebLink
from chat.limits import Exceeded, Limiter, Limits
from tests.redis import Redis

LIMIT_S = 60.0


class Web:
    """The part of a web process that counts."""

    def __init__(self, redis: Redis) -> None:
        self.limiter = Limiter(Limits(pairings_per_minute=4, connections_per_minute=4, sockets=4), clock=lambda: 0.0)
        self.link = WebLink(Bus(redis.url()), self.limiter)

    def gives(self, key: str, **costs: float) -> bool:
        try:
            self.limiter.take(key, **costs)
        except Exceeded:
            return False
        return True


@pytest.fixture
async def webs(redis: Redis) -> AsyncIterator[tuple[Web, Web]]:
    both = Web(redis), Web(redis)
    for web in both:
        web.link.start()
        await web.link.looked()
    await hear_each_other(*both)
    yield both
    for web in both:
        await web.link.stop()


async def until(happened: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < limit, f"waited too long for {what}"
        await asyncio.sleep(0.01)


async def hear_each_other(one: Web, two: Web) -> None:
    """Both read what comes: news that were there before one looks for its place in the stream are not for it."""
    for number, (tells, hears) in enumerate(((one, two), (two, one))):
        for attempt in range(1000):
            key = f"is anybody there? {number} {attempt}"
            tells.limiter.take(key, connections=1)
            await asyncio.sleep(0.02)
            if waited_for(hears, key) > 0:
                break
        else:
            raise AssertionError("they do not hear each other")


def waited_for(web: Web, key: str) -> float:
    """How long the whole of a limit would be waited for."""
    return web.limiter._buckets["connections"].wait_s(key, 4, 4)


async def test_what_one_gave_the_other_does_not_give_again(webs: tuple[Web, Web]) -> None:
    one, two = webs
    assert await asyncio.gather(*(asyncio.to_thread(one.gives, "1.2.3.4", pairings=1) for _ in range(3))) == [True] * 3
    assert two.gives("1.2.3.4", connections=1)
    await until(lambda: two.limiter._buckets["pairings"].wait_s("1.2.3.4", 4, 2) > 0, "what the first one gave")
    await until(lambda: waited_for(one, "1.2.3.4") > 0, "what the second one gave")
    assert [two.gives("1.2.3.4", pairings=1) for _ in range(2)] == [True, False]
    assert two.gives("5.6.7.8", pairings=4)


async def test_open_sockets_are_counted_together(webs: tuple[Web, Web]) -> None:
    one, two = webs
    for _ in range(4):
        one.limiter.open_socket("device")
    await until(lambda: two.limiter._open_elsewhere("device") == 4, "the sockets of the first one")
    with pytest.raises(Exceeded):
        two.limiter.open_socket("device")
    one.limiter.close_socket("device")
    await until(lambda: two.limiter._open_elsewhere("device") == 3, "one fewer")
    two.limiter.open_socket("device")


async def test_without_redis_each_counts_by_itself(redis: Redis) -> None:
    webs = Web(redis), Web(redis)
    redis.stop()
    try:
        for web in webs:
            web.link.start()
            assert [web.gives("1.2.3.4", pairings=1) for _ in range(5)] == [True] * 4 + [False]
        for web in webs:
            await web.link.stop()
    finally:
        redis.start()


async def test_what_comes_late_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis was away for a while; sockets that are open count all the same."""
    now = [1000.0]
    monkeypatch.setattr(counts.time, "time", lambda: now[0])
    limiters = [Limiter(Limits(pairings_per_minute=4, sockets=2)) for _ in range(2)]
    one, two = (Counts(name, limiter, lambda: None) for name, limiter in zip(("one", "two"), limiters, strict=True))
    one.bind()
    assert one.collect() == {}
    limiters[0].take("a", pairings=4)
    limiters[0].open_socket("a")
    said = one.collect()
    assert (said["took"], said["sockets"]) == ({"a": {"pairings": 4}}, {"a": 1})
    now[0] += counts.LATE_S + 1
    two.hear(said)
    limiters[1].take("a", pairings=4)
    assert limiters[1]._open_elsewhere("a") == 1


async def test_the_memory_of_a_long_time_without_redis_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST_KEYS", 10)
    limiter = Limiter(Limits())
    one = Counts("one", limiter, lambda: None)
    one.bind()
    for number in range(25):
        limiter.take(str(number), connections=1)
    assert len(one.collect()["took"]) <= 10
