"""The text of a remote answer: two channels, whole characters only."""

from __future__ import annotations

from inference.reasoning import State, ThinkingSplitter
from inference.types import Channel, Delta

REPLACEMENT = "\ufffd"


class AnswerText:
    """Takes the pieces of thinking and content that a server sends, and gives back what may be shown.

    A server that separates the thinking sends it in fields of its own; what it sends as content is then all answer. Content that comes
    without any such field before it is searched for `<think>…</think>`.
    """

    def __init__(self, start: State) -> None:
        self._splitter = ThinkingSplitter(start)
        self._separated = False
        self._blank = False
        """Right behind thinking: white space there belongs to neither."""
        self._halves = {"thinking": WholeCharacters(), "answer": WholeCharacters()}
        self._tokens = 0
        """Pieces that have come and not yet been counted in a Delta."""

    def thinking(self, text: str) -> list[Delta]:
        """A piece from a field for thinking."""
        if not text:
            return []
        self._separated = self._blank = True
        self._tokens += 1
        return self._deltas([("thinking", self._halves["thinking"].feed(text))])

    def content(self, text: str) -> list[Delta]:
        """A piece of content."""
        if not text:
            return []
        self._tokens += 1
        text = self._halves["answer"].feed(text)
        if not self._separated:
            return self._deltas(self._splitter.feed(text))
        if self._blank:
            text = text.lstrip()
        self._blank = self._blank and not text
        return self._deltas([*self._splitter.flush(), ("answer", text)])

    def end(self) -> list[Delta]:
        """What was held back. Half a character is dropped: its other half never came."""
        return self._deltas(self._splitter.flush())

    def _deltas(self, pieces: list[tuple[Channel, str]]) -> list[Delta]:
        deltas = []
        for channel, text in pieces:
            if text:
                deltas.append(Delta(text, channel, self._tokens))
                self._tokens = 0
        return deltas


class WholeCharacters:
    """Joins surrogate halves that a server escaped into two pieces; drops lone ones and the U+FFFD of servers that decode token by token.

    Those bytes are gone before they reach us, so the choice is between a gap and a black diamond.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        text = self._half + text
        self._half = ""
        if text.isascii():
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            self._half, text = text[-1], text[:-1]
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
        return whole.replace(REPLACEMENT, "")
