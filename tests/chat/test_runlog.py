from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol import End, Error, Start, Stream, TimingSeconds, UsageCount
from chat.runlog import MERGED_CHARS, Piece, RunLog, pack, unpack

pieces = st.lists(st.builds(Piece, st.sampled_from(["thinking", "answer"]), st.text(min_size=1, max_size=5)), max_size=30)


def log_of(texts: list[Piece], *, end: bool = True, error: bool = False) -> RunLog:
    log = RunLog(uuid4())
    log.start = Start(run=log.run, conversation=uuid4(), message=uuid4(), parent=uuid4(), model="m")
    log.pieces = list(texts)
    if error:
        log.error = Error(code="x", message="x", run=log.run)
    if end:
        log.end = End(run=log.run, seq=len(texts) + 1, finish_reason="stop", usage=UsageCount(completion_tokens=1), timing=TimingSeconds())
    return log


def read(log: RunLog, after: int = -1) -> list[Start | Stream | Error | End]:
    frames = []
    while batch := log.next(after):
        frames += batch
        after = batch[-1].seq  # type: ignore[union-attr]
    return frames


@given(pieces)
def test_frames_are_numbered_without_a_gap(texts: list[Piece]) -> None:
    expected = 0
    for frame in read(log_of(texts)):
        assert isinstance(frame, Start | Stream | End)
        assert (getattr(frame, "first", None) or frame.seq) == expected
        expected = frame.seq + 1
    assert expected == len(texts) + 2


@given(pieces, st.integers(-1, 30))
def test_resume_gives_exactly_what_is_behind(texts: list[Piece], after: int) -> None:
    after = min(after, len(texts))
    streams = [frame for frame in read(log_of(texts), after) if isinstance(frame, Stream)]
    for channel in ("thinking", "answer"):
        behind = "".join(p.text for p in texts[max(after, 0) :] if p.channel == channel)
        assert "".join(f.content for f in streams if f.channel == channel) == behind


@given(pieces)
def test_pieces_survive_storage(texts: list[Piece]) -> None:
    thinking = "".join(p.text for p in texts if p.channel == "thinking")
    answer = "".join(p.text for p in texts if p.channel == "answer")
    assert unpack(pack(texts), thinking, answer) == texts


def test_lengths_that_do_not_fit_the_text_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        unpack("a3,3", "", "abcde")
    with pytest.raises(ValueError, match="do not fit"):
        unpack("a3", "", "abcde")


def test_a_late_reader_gets_one_frame_for_many() -> None:
    log = log_of([Piece("answer", "a"), Piece("answer", "b"), Piece("thinking", "c")], end=False)
    start, first, second = read(log)
    assert (first.seq, first.first, first.content) == (2, 1, "ab")  # type: ignore[union-attr]
    assert (second.seq, second.first, second.channel) == (3, None, "thinking")  # type: ignore[union-attr]
    assert isinstance(start, Start)
    log.append("answer", "d")
    assert [frame.content for frame in log.next(3) if isinstance(frame, Stream)] == ["d"]


def test_merged_frames_stay_of_bearable_size() -> None:
    frames = read(log_of([Piece("answer", "x" * 1000)] * 100))
    assert max(len(f.content) for f in frames if isinstance(f, Stream)) <= MERGED_CHARS + 1000


def test_an_error_comes_right_before_its_end() -> None:
    assert [type(frame) for frame in read(log_of([Piece("answer", "a")], error=True))] == [Start, Stream, Error, End]


def test_nothing_before_the_start() -> None:
    log = RunLog(uuid4())
    log.append("answer", "a")
    assert log.next(-1) == []
    assert log.last == -1
