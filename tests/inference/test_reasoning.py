from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.reasoning import State, ThinkingSplitter, partial_suffix


def split(pieces: list[str], start: State = "start") -> tuple[str, str]:
    splitter = ThinkingSplitter(start)
    out = [part for piece in pieces for part in splitter.feed(piece)] + splitter.flush()
    assert all(text for _, text in out)
    channels = [channel for channel, _ in out]
    assert channels == sorted(channels, reverse=True), "thinking comes first"
    return "".join(t for c, t in out if c == "thinking"), "".join(t for c, t in out if c == "answer")


def cut(text: str, points: list[int]) -> list[str]:
    edges = [0, *sorted(p % (len(text) + 1) for p in points), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


CASES: list[tuple[State, str, str, str]] = [
    ("start", "Hello.", "", "Hello."),
    ("start", "", "", ""),
    ("start", "<think>\nhm\n</think>\n\nHello.", "hm\n", "Hello."),
    ("start", "\n <think>hm</think>Hello.", "hm", "Hello."),
    ("start", "<think>\n\n</think>\n\nHello.", "", "Hello."),
    ("start", "<think>never closed", "never closed", ""),
    ("start", "<think>almost </thin", "almost </thin", ""),
    ("start", "The tag <think> is text </think> here.", "", "The tag <think> is text </think> here."),
    ("start", "<think>a</think>b <think>c</think>", "a", "b <think>c</think>"),
    ("start", "<thin ice>", "", "<thin ice>"),
    ("start", "<thi", "", "<thi"),
    ("start", "  \n", "", "  \n"),
    ("thinking", "\nhm </think>\nYes", "hm ", "Yes"),
    ("thinking", "</think>Yes", "", "Yes"),
    ("thinking", "all of it", "all of it", ""),
    ("thinking", "<think> again</think>x", "<think> again", "x"),
    ("answer", " <think>plain</think>", "", " <think>plain</think>"),
]


@pytest.mark.parametrize(("start", "text", "thinking", "answer"), CASES)
def test_splits(start: State, text: str, thinking: str, answer: str) -> None:
    assert split([text], start) == (thinking, answer)
    assert split(list(text), start) == (thinking, answer)


@given(st.sampled_from(CASES), st.lists(st.integers(0, 60), max_size=8))
def test_borders_of_pieces_do_not_matter(case: tuple[State, str, str, str], points: list[int]) -> None:
    start, text, thinking, answer = case
    assert split(cut(text, points), start) == (thinking, answer)


@given(st.text(alphabet="<>/think \nab", max_size=40), st.lists(st.integers(0, 60), max_size=8), st.sampled_from(["start", "thinking", "answer"]))
def test_any_text_splits_the_same_in_any_pieces(text: str, points: list[int], start: State) -> None:
    assert split(cut(text, points), start) == split([text], start)


def test_holds_back_no_more_than_it_must() -> None:
    splitter = ThinkingSplitter("thinking")
    assert splitter.feed("abc </th") == [("thinking", "abc ")]
    assert splitter.feed("is") == [("thinking", "</this")]


@given(st.text(alphabet="ab", max_size=12), st.text(alphabet="ab", min_size=1, max_size=5))
def test_partial_suffix_is_the_longest_proper_one(text: str, word: str) -> None:
    length = partial_suffix(text, word)
    assert length < len(word)
    assert text.endswith(word[:length])
    assert not any(text.endswith(word[:longer]) for longer in range(length + 1, len(word)))
