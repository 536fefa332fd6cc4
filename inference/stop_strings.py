"""Ends an answer at a stop string, also where the string comes in several pieces."""

from __future__ import annotations

from inference.reasoning import partial_suffix


class StopStrings:
    """Feed it text; it gives back what may be shown and holds back an end that could become a stop string.

    `hit` is True once a stop string was met; it and all behind it are never given back. Where several are met, the first in the text wins.
    """

    def __init__(self, strings: tuple[str, ...] = ()) -> None:
        self._strings = tuple(s for s in strings if s)
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        if not self._strings:
            return text
        if self.hit:
            return ""
        text = self._held + text
        starts = [at for string in self._strings if (at := text.find(string)) >= 0]
        if starts:
            self.hit, self._held = True, ""
            return text[: min(starts)]
        keep = max(partial_suffix(text, string) for string in self._strings)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, now that no more text comes."""
        held, self._held = self._held, ""
        return held
