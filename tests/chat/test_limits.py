from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import limits
from chat.limits import HOST, HOST_FACTOR, RATES, Buckets, Exceeded, Limiter, Limits, key_of, network_of
from chat.sentences import CHINESE, ENGLISH


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limiter(clock: Callable[[], float], **changed: int) -> Limiter:
    return Limiter(Limits(**changed), clock=clock)


def test_a_burst_as_large_as_the_limit_and_then_its_rate(clock: Clock) -> None:
    limited = limiter(clock, messages_per_minute=6)
    for _ in range(6):
        limited.take("a", messages=1)
    with pytest.raises(Exceeded) as refused:
        limited.take("a", messages=1)
    assert (refused.value.code, refused.value.limit, refused.value.retry_after_s) == ("too_many_messages", 6, 10)
    clock.now += 9.9
    with pytest.raises(Exceeded):
        limited.take("a", messages=1)
    clock.now += 0.2
    limited.take("a", messages=1)
    clock.now += 3600
    for _ in range(6):
        limited.take("a", messages=1)


def test_one_device_does_not_use_up_anothers(clock: Clock) -> None:
    limited = limiter(clock, messages_per_minute=1)
    limited.take("a", messages=1)
    limited.take("b", messages=1)


def test_the_computers_owner_may_do_more(clock: Clock) -> None:
    limited = limiter(clock, messages_per_minute=2)
    for _ in range(2 * HOST_FACTOR):
        limited.take(HOST, messages=1)
    with pytest.raises(Exceeded):
        limited.take(HOST, messages=1)


def test_all_or_nothing(clock: Clock) -> None:
    limited = limiter(clock, messages_per_minute=2, characters_per_day=100_000)
    limited.take("a", messages=1, characters=60_000)
    with pytest.raises(Exceeded) as refused:
        limited.take("a", messages=1, characters=60_000)
    assert refused.value.code == "too_much_today"
    limited.take("a", messages=1)


def test_what_is_larger_than_a_whole_bucket_needs_a_full_one(clock: Clock) -> None:
    limited = limiter(clock, characters_per_day=100_000)
    limited.take("a", characters=500_000)
    with pytest.raises(Exceeded) as refused:
        limited.take("a", characters=500_000)
    assert refused.value.retry_after_s == limits.DAY_S


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 3)), max_size=60))
def test_never_more_than_the_limit_and_the_rate(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    buckets, began, taken = Buckets(60, clock=clock), clock.now, 0
    for pause, cost in steps:
        clock.now += pause
        if not buckets.wait_s("a", 10, cost):
            buckets.take("a", 10, cost)
            taken += cost
        assert taken <= 10 + (clock.now - began) / 6 + 1e-6


@given(st.integers(0, 20), st.integers(1, 5))
def test_after_the_time_that_is_named_it_is_taken(used: int, cost: int) -> None:
    clock = Clock()
    buckets = Buckets(60, clock=clock)
    for _ in range(used):
        buckets.take("a", 10)
    clock.now += buckets.wait_s("a", 10, cost) + 1e-6
    assert buckets.wait_s("a", 10, cost) == 0


def test_only_so_many_callers_are_remembered_those_heard_of_last(clock: Clock) -> None:
    buckets = Buckets(60, clock=clock, most=3)
    for key in "abcad":
        buckets.take(key, 1)
    assert len(buckets) == 3
    assert [key for key in "abcd" if buckets.wait_s(key, 1)] == ["a", "c", "d"]


def test_asking_remembers_nobody(clock: Clock) -> None:
    buckets = Buckets(60, clock=clock)
    buckets.wait_s("a", 1)
    assert len(buckets) == 0


def test_sockets(clock: Clock) -> None:
    limited = limiter(clock, sockets=2)
    limited.open_socket("a")
    limited.open_socket("a")
    limited.open_socket("b")
    with pytest.raises(Exceeded) as refused:
        limited.open_socket("a")
    assert refused.value.code == "too_many_sockets"
    limited.close_socket("a")
    limited.open_socket("a")


def test_unfinished_answers(clock: Clock) -> None:
    limited, alive = limiter(clock, unfinished_answers=2), set[UUID]()

    def begin() -> UUID:
        with limited.answer("a", alive) as begun:
            begun(run := uuid4())
        alive.add(run)
        return run

    first, _ = begin(), begin()
    with pytest.raises(Exceeded) as refused:
        begin()
    assert (refused.value.code, refused.value.limit) == ("too_many_answers", 2)
    alive.remove(first)
    begin()
    with pytest.raises(Exceeded):
        begin()


def test_answers_that_begin_at_once_count_already(clock: Clock) -> None:
    limited = limiter(clock, unfinished_answers=2)
    with limited.answer("a", ()), limited.answer("a", ()), pytest.raises(Exceeded), limited.answer("a", ()):
        pytest.fail("there was room for a third")
    with limited.answer("a", ()):
        pass


def test_an_answer_that_was_refused_takes_no_room(clock: Clock) -> None:
    limited = limiter(clock, unfinished_answers=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="refused"), limited.answer("a", ()):
            raise ValueError("refused")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("fe80::1%wlan0", "fe80::/64"),
        ("2001:db8:0:1:aaaa::1", "2001:db8:0:1::/64"),
        ("", ""),
        ("a device", "a device"),
    ],
)
def test_an_address_stands_for_its_computer(address: str, network: str) -> None:
    assert network_of(address) == key_of(address) == network


@pytest.mark.parametrize("code", sorted({code for _, _, code in RATES.values()} | {"too_many_answers", "too_many_sockets", "too_large"}))
def test_every_refusal_has_its_sentence_in_both_languages(code: str) -> None:
    assert code in ENGLISH
    assert code in CHINESE


# --- several processes ---------------------------------------------------------------------------------------------------------------


def test_what_another_process_gave_is_missing_here(clock: Clock) -> None:
    limited = limiter(clock, pairings_per_minute=6)
    limited.taken_elsewhere("a", {"pairings": 4, "a kind that is not known here": 1})
    limited.take("a", pairings=1)
    limited.take("a", pairings=1)
    with pytest.raises(Exceeded) as refused:
        limited.take("a", pairings=1)
    assert refused.value.retry_after_s == 10
    limited.take("b", pairings=6)


def test_what_two_gave_at_the_same_moment_is_waited_for(clock: Clock) -> None:
    """Each gave all six: until it is earned again twice, neither gives another."""
    limited = limiter(clock, pairings_per_minute=6)
    limited.take("a", pairings=6)
    limited.taken_elsewhere("a", {"pairings": 6})
    with pytest.raises(Exceeded) as refused:
        limited.take("a", pairings=1)
    assert refused.value.retry_after_s == 70
    clock.now += 70
    limited.take("a", pairings=1)


@given(given=st.lists(st.floats(0, 1e9), max_size=50))
def test_a_debt_has_an_end(given: list[float]) -> None:
    clock = Clock()
    limited = limiter(clock, pairings_per_minute=6)
    for cost in given:
        limited.taken_elsewhere("a", {"pairings": cost})
    clock.now += (limits.MOST_DEBT + 1) * 60
    limited.take("a", pairings=6)


def test_it_tells_what_it_gave_and_nothing_else(clock: Clock) -> None:
    limited = limiter(clock, messages_per_minute=1)
    told: list[tuple[str, object]] = []
    limited.took = lambda key, costs: told.append((key, dict(costs)))
    limited.opened = lambda key, count: told.append((key, count))
    limited.take("a", messages=1, frames=1)
    with pytest.raises(Exceeded):
        limited.take("a", messages=1, frames=1)
    limited.taken_elsewhere("a", {"frames": 5})
    for _ in range(2):
        limited.open_socket("a")
    limited.close_socket("a")
    limited.close_socket("a")
    assert told == [("a", {"messages": 1, "frames": 1}), ("a", 1), ("a", 2), ("a", 1), ("a", 0)]


def test_sockets_at_other_processes_count(clock: Clock) -> None:
    limited = limiter(clock, sockets=4)
    limited.open_at("two", {"a": 1, "b": 4}, all_=True)
    limited.open_at("three", {"a": 1}, all_=False)
    limited.open_socket("a")
    limited.open_socket("a")
    for key in ("a", "b"):
        with pytest.raises(Exceeded):
            limited.open_socket(key)
    limited.open_at("two", {"b": 3}, all_=False)
    limited.open_socket("b")
    with pytest.raises(Exceeded):
        limited.open_socket("a")
    limited.open_at("two", {}, all_=True)
    limited.open_socket("a")
    assert limited.open_sockets() == {"a": 3, "b": 1}


def test_sockets_of_a_process_that_is_gone_are_forgotten(clock: Clock) -> None:
    limited = limiter(clock, sockets=1)
    limited.open_at("two", {"a": 1}, all_=True)
    clock.now += limits.ELSEWHERE_S - 1
    with pytest.raises(Exceeded):
        limited.open_socket("a")
    clock.now += 2
    limited.open_socket("a")
    limited.open_at("three", {}, all_=True)
    assert list(limited._elsewhere) == ["three"]
