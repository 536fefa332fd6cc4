from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.sampler_settings import SamplerSettings
from inference.scheduler import Move, Run, Scheduler


def make(name: str = "a", prompt: int = 10, answer: int = 10) -> Run:
    return Run(name, list(range(prompt)), answer, SamplerSettings())


def scheduler_with(*runs: Run, rows: int = 4, cells: int = 10_000) -> Scheduler:
    scheduler = Scheduler(max_rows=rows, max_cells=cells)
    for run in runs:
        scheduler.add(run)
    scheduler.admit()
    return scheduler


def read_all(scheduler: Scheduler) -> None:
    for chunk in scheduler.chunks(1_000_000):
        chunk.run.computed += chunk.count
        scheduler.promote(chunk.run)


def test_more_than_fit_wait_in_order() -> None:
    runs = [make(str(i)) for i in range(6)]
    scheduler = scheduler_with(*runs, rows=2)
    order = []
    while not scheduler.idle:
        order.append(scheduler.rows[0].id)
        scheduler.release(scheduler.rows[0])
        scheduler.admit()
    assert order[:2] == ["0", "1"]
    assert sorted(order) == [str(i) for i in range(6)]
    assert [scheduler.decoding, scheduler.rows] == [0, []]


def test_the_first_who_waits_is_not_overtaken_by_one_that_would_fit() -> None:
    big, small = make("big", 500, 400), make("small", 5, 5)
    scheduler = scheduler_with(make("first", 100, 100), big, small, cells=1000)
    assert [run.id for run in scheduler.rows] == ["first"]
    assert [run.id for run in scheduler.waiting] == ["big", "small"]


def test_one_alone_always_gets_in() -> None:
    assert scheduler_with(make("big", 900, 900), cells=1000).rows


def test_cells_are_rows_times_the_longest() -> None:
    scheduler = scheduler_with(*(make(str(i), 100, 100) for i in range(4)), cells=600)
    assert len(scheduler.rows) == 3


def test_a_short_prompt_is_read_before_a_long_one_and_the_oldest_still_gets_on() -> None:
    long, short = make("long", 1000), make("short", 50)
    scheduler = scheduler_with(long, short)
    chunks = {chunk.run.id: chunk for chunk in scheduler.chunks(100)}
    assert chunks["short"].count == 50
    assert chunks["short"].last
    assert chunks["long"].count == 50
    assert not chunks["long"].last


def test_the_oldest_gets_a_quarter_however_many_short_ones_come() -> None:
    long = make("long", 1000)
    scheduler = scheduler_with(long, *(make(str(i), 90) for i in range(3)))
    counts = {chunk.run.id: chunk.count for chunk in scheduler.chunks(100)}
    assert counts["long"] == 25
    assert sum(counts.values()) == 100


def test_a_prompt_is_read_to_its_end_exactly_once() -> None:
    run = make(prompt=130)
    scheduler = scheduler_with(run)
    seen: list[int] = []
    while run.unread:
        [chunk] = scheduler.chunks(50)
        seen += run.ids[chunk.start : chunk.start + chunk.count]
        run.computed += chunk.count
        assert chunk.last == (run.unread == 0)
    assert seen == run.ids


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_rows_and_moves_agree_with_a_cache(seed: int, rows: int) -> None:
    """A cache of names follows the moves; each row must hold its own run's name at all times."""
    rng = random.Random(seed)
    scheduler = Scheduler(max_rows=rows, max_cells=10_000)
    cache: dict[int, str] = {}

    def apply(moves: list[Move]) -> None:
        for move in moves:
            if move.swap:
                cache[move.source], cache[move.target] = cache[move.target], cache[move.source]
            else:
                cache[move.target] = cache[move.source]

    for number in range(60):
        action = rng.random()
        if action < 0.4:
            scheduler.add(make(str(number), rng.randint(1, 30)))
        elif action < 0.75 and scheduler.rows:
            for chunk in scheduler.chunks(rng.randint(1, 40)):
                chunk.run.computed += chunk.count
                if not chunk.run.unread:
                    apply(scheduler.promote(chunk.run))
        elif scheduler.runs:
            apply(scheduler.release(rng.choice(scheduler.runs)))
        scheduler.admit()
        for row, run in enumerate(scheduler.rows):
            if run.computed == 0:
                cache[row] = run.id
            assert (run.row, cache[row]) == (row, run.id)
            assert (row < scheduler.decoding) == (run.unread == 0)
        assert len(scheduler.rows) <= rows
