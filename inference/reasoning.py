"""Tells a model's thinking from its answer while the text streams in. Pure text: no tokens, no torch."""

from __future__ import annotations

from typing import Literal

from inference.types import Channel

OPEN = "<think>"
CLOSE = "</think>"

State = Literal["start", "thinking", "answer"]


class ThinkingSplitter:
    """Feed it text as it comes; it gives back pieces with their channel.

    Only a tag at the very start (after white space at most) opens the thinking; a later one is plain text. White space right behind either tag
    is dropped. Thinking that is never closed stays thinking. `start`: "thinking" when the prompt has opened the tag already, "answer" when the
    text goes on behind an answer that has begun.
    """

    def __init__(self, start: State = "start", *, open_tag: str = OPEN, close_tag: str = CLOSE) -> None:
        self.state: State = start
        self._open = open_tag
        self._close = close_tag
        self._held = ""
        """Text that may still turn out to be a tag."""
        self._after_tag = start == "thinking"

    def feed(self, text: str) -> list[tuple[Channel, str]]:
        pieces: list[tuple[Channel, str]] = []
        self._held += text
        if self.state == "start" and not self._decide():
            return pieces
        if self.state == "thinking":
            body, found, rest = self._held.partition(self._close)
            if not found:
                keep = partial_suffix(body, self._close)
                self._emit(pieces, body[: len(body) - keep])
                self._held = body[len(body) - keep :]
                return pieces
            self._emit(pieces, body)
            self.state, self._after_tag, self._held = "answer", True, rest
        self._emit(pieces, self._held)
        self._held = ""
        return pieces

    def flush(self) -> list[tuple[Channel, str]]:
        """What was held back, now that no more text comes."""
        pieces: list[tuple[Channel, str]] = []
        if self.state == "start":
            self.state = "answer"
        self._emit(pieces, self._held)
        self._held = ""
        return pieces

    def _decide(self) -> bool:
        """At the start: is this thinking or an answer? False while it cannot be told."""
        begun = self._held.lstrip()
        if begun.startswith(self._open):
            self.state, self._after_tag, self._held = "thinking", True, begun[len(self._open) :]
        elif self._open.startswith(begun):
            return False
        else:
            self.state = "answer"
        return True

    def _emit(self, pieces: list[tuple[Channel, str]], text: str) -> None:
        if self._after_tag:
            text = text.lstrip()
        if text:
            self._after_tag = False
            pieces.append(("thinking" if self.state == "thinking" else "answer", text))


def partial_suffix(text: str, word: str) -> int:
    """How many characters at the end of `text` begin `word` (0 when none do, or when the whole word is there)."""
    for length in range(min(len(text), len(word) - 1), 0, -1):
        if text.endswith(word[:length]):
            return length
    return 0
