"""From the tokens of one answer to the pieces that leave the engine: characters, channels, stop strings."""

from __future__ import annotations

from inference.detokenizer import Detokenizer
from inference.reasoning import ThinkingSplitter
from inference.stop_strings import StopStrings
from inference.types import Channel, Delta


class TextStream:
    """One answer's way from token to Delta. Stop strings look at the answer alone: a model may think about them as it likes."""

    def __init__(self, detokenizer: Detokenizer, splitter: ThinkingSplitter, stop: StopStrings) -> None:
        self._detokenizer = detokenizer
        self._splitter = splitter
        self._stop = stop
        self._tokens = 0
        """Tokens fed since the last delta."""

    @property
    def stopped(self) -> bool:
        """True once a stop string was met."""
        return self._stop.hit

    def feed(self, token: int) -> list[Delta]:
        self._tokens += 1
        text = self._detokenizer.feed(token)
        return self._deltas(self._splitter.feed(text)) if text else []

    def flush(self) -> list[Delta]:
        """What was held back, now that the answer is over."""
        deltas = self._deltas(self._splitter.flush())
        if rest := self._stop.flush():
            deltas.append(self._delta(rest, "answer"))
        return deltas

    def _deltas(self, pieces: list[tuple[Channel, str]]) -> list[Delta]:
        deltas = []
        for channel, piece in pieces:
            text = self._stop.feed(piece) if channel == "answer" else piece
            if text:
                deltas.append(self._delta(text, channel))
        return deltas

    def _delta(self, text: str, channel: Channel) -> Delta:
        tokens, self._tokens = self._tokens, 0
        return Delta(text, channel, tokens)
