"""Server-sent events come out the same however the bytes were cut."""

from collections.abc import AsyncIterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from inference import sse


async def collect(pieces: list[bytes]) -> list[str]:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return [event async for event in sse.events(chunks())]


STREAM = 'data: {"a":"\u2028x\x85"}\n\n: keep-alive\n\ndata:one\r\ndata: two\r\n\r\nevent: x\rid: 1\rdata: 你好\r\r'.encode()
EVENTS = ['{"a":"\u2028x\x85"}', "one\ntwo", "你好"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
async def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert await collect([STREAM[a:b] for a, b in pairwise(edges)]) == EVENTS


async def test_byte_by_byte() -> None:
    assert await collect([bytes([byte]) for byte in STREAM]) == EVENTS


async def test_a_last_event_without_a_blank_line_counts() -> None:
    assert await collect([b"data: a\n\ndata: [DONE]\n"]) == ["a", "[DONE]"]
    assert await collect([b"data: a\r"]) == ["a"]


async def test_a_line_cut_in_the_middle_does_not_count() -> None:
    assert await collect([b'data: {"a":1}\n\ndata: {"choi']) == ['{"a":1}']


async def test_nothing_and_comments_give_nothing() -> None:
    assert await collect([]) == []
    assert await collect([b": hello\n\n", b"\n\n", b"retry: 5\n\n"]) == []
