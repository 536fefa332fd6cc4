"""Who is decoded next. It knows rows, lengths and budgets, and never touches a tensor.

The cache has rows. The first `decoding` rows hold the answers that are being decoded, so that a step is one view of the cache and not a gather;
behind them lie the prompts that are still being read. A run that leaves is replaced by the last one of its kind, and the scheduler says which rows
the cache must move for that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from inference.sampler_settings import SamplerSettings


@dataclass(eq=False, slots=True)
class Run:
    """One answer on its way. `ids`: its prompt. `computed`: how many of its tokens the cache holds."""

    id: str
    ids: list[int]
    max_tokens: int
    settings: SamplerSettings
    owner: Any = None
    """The engine's own; the scheduler does not look inside."""
    repeatable: bool = False
    """Its prompt is read from its beginning and by itself: what is computed in other pieces may be rounded otherwise."""
    output: list[int] = field(default_factory=list)
    computed: int = 0
    row: int = -1
    looked: bool = False
    """Whether it was looked for a beginning that is computed already."""

    @property
    def reserved(self) -> int:
        """The longest it can become, in tokens."""
        return len(self.ids) + self.max_tokens

    @property
    def unread(self) -> int:
        """Prompt tokens that the model has not seen."""
        return len(self.ids) - self.computed


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a prompt to read in this step: `run.ids[start : start + count]`."""

    run: Run
    start: int
    count: int

    @property
    def last(self) -> bool:
        return self.start + self.count == len(self.run.ids)


@dataclass(frozen=True, slots=True)
class Move:
    """Row `source` of the cache goes to row `target`, `length` tokens of it; with `swap`, the two change places."""

    source: int
    target: int
    length: int
    swap: bool = False


class Scheduler:
    """`max_rows` answers at once; together they never reserve more than `max_cells` places in the cache (rows × longest)."""

    def __init__(self, *, max_rows: int, max_cells: int) -> None:
        self.max_rows = max_rows
        self.max_cells = max_cells
        self.waiting: deque[Run] = deque()
        self.rows: list[Run] = []
        self.decoding = 0

    @property
    def idle(self) -> bool:
        return not self.rows and not self.waiting

    @property
    def runs(self) -> list[Run]:
        """All of them, those with a row first."""
        return [*self.rows, *self.waiting]

    def add(self, run: Run) -> None:
        self.waiting.append(run)

    def admit(self) -> None:
        """Give rows to those who wait, in order, as long as there is room."""
        while self.waiting and len(self.rows) < self.max_rows and self._fits(self.waiting[0]):
            run = self.waiting.popleft()
            run.row = len(self.rows)
            self.rows.append(run)

    @property
    def reserved(self) -> int:
        """Places of the cache that the runs with a row may come to need."""
        return len(self.rows) * max((run.reserved for run in self.rows), default=0)

    def _fits(self, run: Run) -> bool:
        longest = max(run.reserved, *(other.reserved for other in self.rows)) if self.rows else run.reserved
        return not self.rows or (len(self.rows) + 1) * longest <= self.max_cells

    def chunks(self, budget: int) -> list[Chunk]:
        """Up to `budget` prompt tokens to read now. The shortest prompt comes first, so that a long one holds nobody up; the oldest always gets
        a quarter, so that it arrives too."""
        reading = self.rows[self.decoding :]
        if not reading:
            return []
        oldest = reading[0]
        share = {id(oldest): min(oldest.unread, max(1, budget // 4))} if len(reading) > 1 else {}
        left = budget - sum(share.values())
        for run in sorted(reading, key=lambda r: r.unread):
            extra = min(run.unread - share.get(id(run), 0), left)
            if extra > 0:
                share[id(run)] = share.get(id(run), 0) + extra
                left -= extra
        return [Chunk(run, run.computed, share[id(run)]) for run in reading if share.get(id(run))]

    def together(self, chunks: list[Chunk]) -> list[list[Chunk]]:
        """Chunks that are read in one forward pass: neighbours of about the same length, so that little of the pass is filling."""
        groups: list[list[Chunk]] = []
        for chunk in chunks:
            group = [*groups[-1], chunk] if groups else [chunk]
            width = max(one.count for one in group)
            end = max(one.start for one in group) + width
            alone = any(one.run.repeatable for one in group)
            near = not alone and group[0].run.row + len(group) - 1 == chunk.run.row
            dense = width * len(group) <= 2 * sum(one.count for one in group)
            if groups and near and dense and len(self.rows) * end <= self.max_cells:
                groups[-1] = group
            else:
                groups.append([chunk])
        return groups

    def promote(self, run: Run) -> list[Move]:
        """Its prompt is read: it joins those who are decoded."""
        target = self.decoding
        self.decoding += 1
        if run.row == target:
            return []
        other = self.rows[target]
        move = Move(run.row, target, max(run.computed, other.computed), swap=True)
        self.rows[run.row], self.rows[target] = other, run
        other.row, run.row = run.row, target
        return [move]

    def release(self, run: Run) -> list[Move]:
        """It is done, or nobody wants it any more: its row is free."""
        if run.row < 0:
            self.waiting.remove(run)
            return []
        moves = []
        hole = run.row
        if hole < self.decoding:
            self.decoding -= 1
            moves += self._fill(hole, self.decoding)
            hole = self.decoding
        moves += self._fill(hole, len(self.rows) - 1)
        self.rows.pop()
        run.row = -1
        return moves

    def _fill(self, hole: int, last: int) -> list[Move]:
        if hole == last:
            return []
        moved = self.rows[last]
        self.rows[hole] = moved
        moved.row = hole
        return [Move(last, hole, moved.computed)]
