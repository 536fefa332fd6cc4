"""The lock of the engine process: kept while it lives, taken again after a sleep, and not at all once another one has cleared up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from chat.cluster.bus import ENGINE, FENCE_S, SyncBus, fence_of
from chat.cluster.heart import Heart
from tests.redis import Redis

LIMIT_S = 60.0


@pytest.fixture
def bus(redis: Redis) -> Iterator[SyncBus]:
    """Empty: other tests leave in it what they like."""
    made = SyncBus(redis.url())
    made._redis.flushdb()
    yield made
    made._redis.flushdb()
    made.close()


MakeHeart = Callable[..., Heart]


@pytest.fixture
def heart(bus: SyncBus) -> Iterator[MakeHeart]:
    """Hearts that end with the test, however it ends: one that goes on beating would keep the next test's from the lock for ever."""
    made: list[Heart] = []

    def make(id: str, fenced: Callable[[], None] = lambda: None) -> Heart:
        made.append(Heart(bus, id, status=lambda: {"state": "ready"}, waiting=lambda: None, fenced=fenced))
        return made[-1]

    yield make
    for one in made:
        one.release()


def until(happened: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < limit, f"waited too long for {what}"
        time.sleep(0.02)


def test_it_says_how_it_is_and_knows_who_was_before(bus: SyncBus, heart: MakeHeart) -> None:
    first = heart("one")
    first.acquire()
    until(lambda: bus.status() == {"engine": "one", "state": "ready"}, "its status")
    assert bus.take("two") == 0
    first.release()
    second = heart("two")
    second.acquire()
    assert (first.before, second.before) == ("", "one")
    second.release()
    assert bus.take("three") == 1


def test_a_lock_that_lapsed_is_taken_again(bus: SyncBus, heart: MakeHeart) -> None:
    """Redis was started again, or the computer has slept."""
    one = heart("one", fenced=lambda: pytest.fail("it was shut out"))
    one.acquire()
    bus._redis.delete(ENGINE)
    until(lambda: bus._redis.get(ENGINE) == "one", "the lock")


def test_who_was_cleared_up_behind_ends(bus: SyncBus, heart: MakeHeart) -> None:
    fenced = threading.Event()
    one = heart("one", fenced.set)
    one.acquire()
    bus._redis.set(fence_of("one"), "1", ex=FENCE_S)
    bus._redis.delete(ENGINE)
    assert fenced.wait(LIMIT_S)
    assert bus._redis.get(ENGINE) is None
