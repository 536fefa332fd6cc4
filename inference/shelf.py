"""What the cache held of answers that are over, so that the next turn of a conversation is not read again from its beginning.

The longest common beginning decides: the next question of the same conversation, an answer written again or continued, and conversations that share
a system prompt all find what they need. Entries are copies, outside the rows of the cache; those that were used longest ago make room.
(The same idea as SGLang's RadixAttention and vLLM's prefix caching, without pages: a CPU copies a conversation in a few milliseconds.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SHORTEST = 16
"""A shorter beginning is read as fast as it is copied."""


@dataclass(eq=False, slots=True)
class Kept:
    ids: tuple[int, ...]
    """The tokens whose keys and values it holds."""
    rows: Any
    """The runner's own."""


class Shelf:
    """At most `max_tokens` tokens. It knows tokens and never looks into what it keeps."""

    def __init__(self, *, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self.tokens = 0
        self._kept: list[Kept] = []
        """The one that was used last at the end."""

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, ids: Sequence[int]) -> tuple[Kept, int] | None:
        """The entry that begins like `ids` the longest, and how many tokens both have in common; at least one token is left to be read."""
        wanted = tuple(ids[:-1])
        best, length = None, SHORTEST - 1
        for kept in self._kept:
            common = _common(kept.ids, wanted)
            if common > length:
                best, length = kept, common
        if best is None:
            return None
        self._kept.remove(best)
        self._kept.append(best)
        return best, length

    def wants(self, ids: Sequence[int]) -> bool:
        """Whether it would keep these: long enough, not too long, and not there already."""
        if not SHORTEST <= len(ids) <= self.max_tokens:
            return False
        found = tuple(ids)
        return not any(len(kept.ids) >= len(found) and kept.ids[: len(found)] == found for kept in self._kept)

    def put(self, ids: Sequence[int], rows: Any) -> None:
        """Keep it in place of the beginnings of it that were there."""
        new = Kept(tuple(ids), rows)
        for kept in [kept for kept in self._kept if new.ids[: len(kept.ids)] == kept.ids]:
            self._drop(kept)
        self._kept.append(new)
        self.tokens += len(new.ids)
        self.shrink(self.max_tokens)

    def shrink(self, tokens: int) -> None:
        """Hold no more than so many now."""
        while self.tokens > max(tokens, 0):
            self._drop(self._kept[0])

    def clear(self) -> None:
        self._kept.clear()
        self.tokens = 0

    def _drop(self, kept: Kept) -> None:
        self._kept.remove(kept)
        self.tokens -= len(kept.ids)


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How long the common beginning is. Halving, because comparing slices is what Python does fast."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low
