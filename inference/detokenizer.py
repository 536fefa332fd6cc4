"""Turns token ids into text while they come, whole characters only.

A token may hold a part of a character (byte-level BPE, byte fallback) or drop its leading space when it is decoded alone (SentencePiece), so text
is always decoded with the tokens before it and only the new end is given out. After mini-sglang and vLLM's incremental detokenization, with one
difference: an end that is no whole character is held back, and U+FFFD never leaves, whatever bytes a model writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Decode = Callable[[list[int]], str]

BROKEN = "\ufffd"
LONG = 8
"""Tokens in the window before it is cut: decoding stays cheap however long the answer gets."""
HOPELESS = 32
"""Tokens without the end of a character: the bytes are no text, so they are let go."""
MAX_CHARACTER_TOKENS = 4
"""A character has at most four bytes."""


class Detokenizer:
    """`decode` turns ids into text, special tokens included; ids in `hidden` never become text.

    `context`: tokens that the text goes on behind; they are not given out again.
    """

    def __init__(self, decode: Decode, hidden: frozenset[int] = frozenset(), context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._hidden = hidden
        self._window = clean_tail(decode, context)
        self._chunk = len(self._window)
        """Where in the window the newest whole characters begin."""
        self._shown = len(decode(self._window)) if self._window else 0

    def feed(self, token: int) -> str:
        """The text that is certain now, '' while it is not."""
        if token in self._hidden:
            return ""
        window = self._window
        window.append(token)
        text = self._decode(window)
        stable = text.rstrip(BROKEN)
        new = stable[self._shown :]
        self._shown = max(self._shown, len(stable))
        if len(stable) == len(text):
            if len(window) > LONG:
                self._cut(self._chunk)
            self._chunk = len(self._window)
        elif len(window) > HOPELESS:
            self._cut(len(window) - MAX_CHARACTER_TOKENS)
            self._chunk = 0
        return new.replace(BROKEN, "") if BROKEN in new else new

    def _cut(self, start: int) -> None:
        """Forget the window before `start`; what stays is context for the spaces and bytes to come."""
        self._window = self._window[start:]
        self._shown = len(self._decode(self._window).rstrip(BROKEN))


def clean_tail(decode: Decode, ids: Sequence[int], size: int = LONG) -> list[int]:
    """The last few ids that decode to whole characters, to begin a window with; empty when there are none."""
    for count in range(min(size, len(ids)), 0, -1):
        tail = list(ids[len(ids) - count :])
        if BROKEN not in decode(tail):
            return tail
    return []
