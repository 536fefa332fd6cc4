from __future__ import annotations

import random

import pytest

from inference.shelf import SHORTEST, Shelf

TEXT = list(range(100, 200))


def test_the_longest_common_beginning_is_found() -> None:
    shelf = Shelf(max_tokens=1000)
    shelf.put(TEXT[:40], "short")
    shelf.put([*TEXT[:60], 7, 7, 7], "long")
    shelf.put([1, *TEXT], "another")
    found = shelf.find(TEXT)
    assert found is not None
    assert (found[0].rows, found[1]) == ("long", 60)


def test_one_token_is_always_left_to_be_read() -> None:
    shelf = Shelf(max_tokens=1000)
    shelf.put(TEXT[:50], "all")
    found = shelf.find(TEXT[:50])
    assert found is not None
    assert found[1] == 49


def test_a_short_beginning_is_not_worth_it() -> None:
    shelf = Shelf(max_tokens=1000)
    shelf.put([*TEXT[: SHORTEST - 1], *([5] * 30)], "x")
    assert shelf.find(TEXT) is None
    assert not shelf.wants(TEXT[: SHORTEST - 1])


def test_what_goes_on_takes_the_place_of_its_beginnings() -> None:
    shelf = Shelf(max_tokens=1000)
    shelf.put(TEXT[:30], "turn 1")
    shelf.put(TEXT[:60], "turn 2")
    assert len(shelf) == 1
    assert shelf.tokens == 60
    assert not shelf.wants(TEXT[:60])
    assert not shelf.wants(TEXT[:30])
    assert shelf.wants(TEXT[:61])


def test_the_one_that_was_used_longest_ago_makes_room() -> None:
    shelf = Shelf(max_tokens=100)
    shelf.put([1] * 40, "one")
    shelf.put([2] * 40, "two")
    assert shelf.find([1] * 50) is not None
    shelf.put([3] * 40, "three")
    assert shelf.find([2] * 50) is None
    assert shelf.find([1] * 50) is not None
    shelf.shrink(40)
    assert (len(shelf), shelf.tokens) == (1, 40)
    shelf.shrink(-5)
    assert (len(shelf), shelf.tokens) == (0, 0)


def test_what_is_longer_than_the_shelf_is_not_taken() -> None:
    assert not Shelf(max_tokens=20).wants(TEXT)


@pytest.mark.parametrize("seed", range(20))
def test_found_is_what_a_plain_search_finds(seed: int) -> None:
    chance = random.Random(seed)
    shelf, entries = Shelf(max_tokens=10**9), []
    for number in range(12):
        base = chance.choice(entries)[: chance.randint(0, 80)] if entries else []
        ids = [*base, *(chance.randint(0, 1) for _ in range(chance.randint(1, 60)))]
        if shelf.wants(ids):
            shelf.put(ids, number)
        entries.append(ids)
        wanted = [*chance.choice(entries)[: chance.randint(1, 90)], *(chance.randint(0, 1) for _ in range(9))]
        lengths = [next((i for i, (a, b) in enumerate(zip(e, wanted[:-1], strict=False)) if a != b), min(len(e), len(wanted) - 1)) for e in entries]
        best = max((n for n, e in zip(lengths, entries, strict=True) if len(e) >= SHORTEST), default=0)
        found = shelf.find(wanted)
        assert (found[1] if found else 0) == (best if best >= SHORTEST else 0)
