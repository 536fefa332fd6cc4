"""The frames of one run, live or stored: the same class replays both.

A run's frames are numbered from 0 (`start`) without a gap. In memory the log keeps each stream frame's text; stored, it is the run's
text and the lengths of its frames, written `t12,5,3;a4,4` (thinking frames of 12, 5 and 3 characters, then answer frames of 4 and 4),
from which every frame can be cut again, so that a finished run can be resumed behind any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from chat.protocol import Channel, End, Error, Start, Stream

MERGED_CHARS = 16_384
"""A merged frame is not made longer than about this."""

_LETTER: dict[Channel, str] = {"thinking": "t", "answer": "a"}
_CHANNEL: dict[str, Channel] = {letter: channel for channel, letter in _LETTER.items()}


class Piece(NamedTuple):
    """The text of one stream frame."""

    channel: Channel
    text: str


class RunLog:
    """Append-only: one start, stream pieces, at most one error, one end."""

    def __init__(self, run: UUID) -> None:
        self.run = run
        self.start: Start | None = None
        self.end: End | None = None
        self.error: Error | None = None
        self.pieces: list[Piece] = []

    @property
    def last(self) -> int:
        """The newest frame's number; -1 before the start."""
        if self.start is None:
            return -1
        return len(self.pieces) + (self.end is not None)

    def append(self, channel: Channel, text: str) -> None:
        self.pieces.append(Piece(channel, text))

    def text(self, channel: Channel) -> str:
        return "".join(piece.text for piece in self.pieces if piece.channel == channel)

    def next(self, seq: int) -> list[Start | Stream | Error | End]:
        """What follows frame `seq` (-1: nothing was sent yet): one frame, an end with its error before it, or nothing so far.

        All stream frames of one channel that are there are merged into one: a reader that falls behind gets fewer, longer frames.
        """
        if self.start is None:
            return []
        if seq < 0:
            return [self.start]
        if seq < len(self.pieces):
            return [self._merged(seq + 1)]
        if self.end is not None and seq < self.end.seq:
            return [self.end] if self.error is None else [self.error, self.end]
        return []

    def _merged(self, first: int) -> Stream:
        pieces = self.pieces
        channel, text = pieces[first - 1].channel, pieces[first - 1].text
        if first == len(pieces):  # nearly always: who reads is up to date
            return Stream(run=self.run, seq=first, channel=channel, content=text)
        texts, size, seq = [text], len(text), first
        while seq < len(pieces) and (piece := pieces[seq]).channel == channel and size <= MERGED_CHARS:
            texts.append(piece.text)
            size += len(piece.text)
            seq += 1
        return Stream(run=self.run, seq=seq, first=first if first != seq else None, channel=channel, content="".join(texts))


def pack(pieces: Sequence[Piece]) -> str:
    """The lengths of `pieces`, as they are stored."""
    groups = groupby(pieces, key=itemgetter(0))
    return ";".join(_LETTER[channel] + ",".join([str(len(piece.text)) for piece in group]) for channel, group in groups)


def unpack(frames: str, thinking: str, answer: str) -> list[Piece]:
    """The pieces again, cut from the run's text. Raises ValueError when the lengths are not those of the text."""
    rest: dict[Channel, str] = {"thinking": thinking, "answer": answer}
    pieces: list[Piece] = []
    for group in frames.split(";") if frames else []:
        channel = _CHANNEL[group[0]]
        for length in map(int, group[1:].split(",")):
            pieces.append(Piece(channel, rest[channel][:length]))
            rest[channel] = rest[channel][length:]
    if any(rest.values()) or pack(pieces) != frames:
        raise ValueError("the stored frames do not fit the stored text")
    return pieces
