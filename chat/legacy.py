"""What the tutorial's client understands: start, stream, end; thinking inside the text as <think>…</think>; an error as text."""

from __future__ import annotations

import json
from collections.abc import Iterator

from chat.protocol import End, Error, Frame, Notice, Start, Stream

OPEN, CLOSE = "<think>\n", "\n</think>\n\n"


class LegacyWriter:
    """Turns the frames of one connection into the tutorial's, as JSON text.

    The runs of such a connection are all in one conversation, where one answer follows the other: their frames never mix.
    """

    def __init__(self) -> None:
        self._running = False
        self._thinking = False

    def translate(self, frame: Frame) -> Iterator[str]:
        match frame:
            case Start():
                self._running, self._thinking = True, False
                yield _frame("start", _before(frame))
            case Stream():
                yield _frame("stream", self._text(frame))
            case Error() if self._running:
                yield _frame("stream", f"\n\n{frame.message}")
            case Error() | Notice():
                yield _frame("start", "")
                yield _frame("stream", frame.message)
                yield _frame("end")
            case End():
                if self._thinking:
                    yield _frame("stream", CLOSE)
                self._running = self._thinking = False
                yield _frame("end")
            case _:  # queued and pong mean nothing to it
                pass

    def _text(self, frame: Stream) -> str:
        thinking = frame.channel == "thinking"
        border = "" if thinking == self._thinking else OPEN if thinking else CLOSE
        self._thinking = thinking
        return border + frame.content


def _before(frame: Start) -> str:
    """The text that a continued answer has already."""
    return (OPEN + frame.thinking + CLOSE if frame.thinking else "") + frame.content


def _frame(kind: str, content: str | None = None) -> str:
    return json.dumps({"type": kind} if content is None else {"type": kind, "content": content}, ensure_ascii=False)
