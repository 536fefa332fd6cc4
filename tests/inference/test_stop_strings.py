from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.stop_strings import StopStrings


def run(pieces: list[str], *strings: str) -> tuple[str, bool]:
    stop = StopStrings(strings)
    out = ""
    for piece in pieces:
        out += stop.feed(piece)
    return out + stop.flush(), stop.hit


@pytest.mark.parametrize(
    ("pieces", "strings", "text", "hit"),
    [
        (["Hello END there"], ["END"], "Hello ", True),
        (["Hello E", "N", "D there"], ["END"], "Hello ", True),
        (["Hello E", "N", "d there"], ["END"], "Hello ENd there", False),
        (["Hello EN"], ["END"], "Hello EN", False),
        (["a\n", "\nb"], ["\n\n"], "a", True),
        (["xaay"], ["ay", "aa"], "x", True),
        (["abc"], [], "abc", False),
        (["abc"], [""], "abc", False),
    ],
)
def test_stops(pieces: list[str], strings: list[str], text: str, hit: bool) -> None:
    assert run(pieces, *strings) == (text, hit)


@given(st.lists(st.text(alphabet="ab", max_size=4), max_size=8), st.lists(st.text(alphabet="ab", min_size=1, max_size=4), max_size=3))
def test_never_shows_a_stop_string_nor_loses_text_before_it(pieces: list[str], strings: list[str]) -> None:
    whole = "".join(pieces)
    shown, hit = run(pieces, *strings)
    assert whole.startswith(shown)
    assert not any(string in shown for string in strings)
    assert hit == any(string in whole for string in strings)
    if not hit:
        assert shown == whole


def test_gives_nothing_after_the_stop() -> None:
    stop = StopStrings(("x",))
    assert (stop.feed("ax"), stop.feed("b"), stop.flush()) == ("a", "", "")
