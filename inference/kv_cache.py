"""The keys and values of many answers of different lengths, in one block per layer, so that they decode as one batch.

Layout: for each layer two tensors [rows, heads, places, head size]. Token t of an answer lies at place t of its row. Decoding looks at rows 0 … n-1
up to the longest of them, and a mask hides the rest. Blocks grow by whole steps as the answers do, never beyond `max_cells` = rows × places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer

STEP = 256
"""Places are added by this many: growing copies the block, so it should be rare."""


class Rows:
    """The blocks of all layers, and what a scheduler asks for. Tensors are [rows, heads, …]; `axes` says which axis of keys and of values counts the
    places. `shapes`: for each layer alike, the key's and the value's shape without rows and places; None: blocks are made when states first come.
    """

    def __init__(
        self,
        layers: int,
        *,
        max_rows: int,
        max_cells: int,
        step: int = STEP,
        axes: tuple[int, int] = (2, 2),
        heads: tuple[int, int] | None = None,
        dtype: torch.dtype | None = None,
        whole: int = 1,
    ) -> None:
        """`heads`: (heads, size of a head) where blocks are made at once. `whole`: places come in multiples of this."""
        self.max_rows = max_rows
        self.max_cells = max_cells
        self._step = step
        self._axes = axes
        self._heads = heads
        self._dtype = dtype
        self._whole = whole
        self._keys: list[Tensor | None] = [None] * layers
        self._values: list[Tensor | None] = [None] * layers
        self._capacity = (0, 0)
        """(rows, places) of every block."""

    def blocks(self) -> tuple[list[Tensor], list[Tensor]]:
        """Keys and values of all layers, as they are now."""
        return [block for block in self._keys if block is not None], [block for block in self._values if block is not None]

    def move(self, source: int, target: int, length: int) -> None:
        """Copy `length` tokens of one row to another."""
        for block, axis in self._all():
            block[target].narrow(axis - 1, 0, length).copy_(block[source].narrow(axis - 1, 0, length))

    def swap(self, one: int, other: int, length: int) -> None:
        for block, axis in self._all():
            first, second = block[one].narrow(axis - 1, 0, length), block[other].narrow(axis - 1, 0, length)
            kept = first.clone()
            first.copy_(second)
            second.copy_(kept)

    def keep(self, row: int, length: int) -> list[tuple[Tensor, Tensor]]:
        """A copy of `length` tokens of a row: keys and values of each layer."""
        keys_axis, values_axis = self._axes
        return [
            (keys[row].narrow(keys_axis - 1, 0, length).clone(), values[row].narrow(values_axis - 1, 0, length).clone())
            for keys, values in zip(*self.blocks(), strict=True)
        ]

    def restore(self, row: int, kept: list[tuple[Tensor, Tensor]], length: int, *, rows: int) -> None:
        """Begin a row with the first `length` tokens of what was kept. `rows`: how many rows are in use."""
        self.reserve(max(rows, row + 1), length, keep=rows)
        for layer, pair in enumerate(kept):
            for blocks, states, axis in zip((self._keys, self._values), pair, self._axes, strict=True):
                block = blocks[layer]
                if block is None:
                    block = blocks[layer] = self._made(states.shape, states.dtype, axis, states.device)
                block[row].narrow(axis - 1, 0, length).copy_(states.narrow(axis - 1, 0, length))

    def wipe(self, row: int) -> None:
        """Zeros in a whole row."""
        for block, _ in self._all():
            if row < block.shape[0]:
                block[row].zero_()

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self._keys = [None] * len(self._keys)
        self._values = [None] * len(self._values)
        self._capacity = (0, 0)

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block, _ in self._all())

    @property
    def capacity(self) -> tuple[int, int]:
        """(rows, places)"""
        return self._capacity

    def reserve(self, rows: int, places: int, *, keep: int) -> None:
        """Make room for `rows` × `places`; of the rows that are there, only the first `keep` matter."""
        have_rows, have_places = self._capacity
        if rows <= have_rows and places <= have_places:
            return
        want_places = max(have_places, -(-places // self._step) * self._step)
        want_rows = max(rows, have_rows)
        if want_rows * want_places > self.max_cells:  # too much together: drop the rows that nobody uses, then the spare places
            want_rows = rows
            want_places = max(places, min(want_places, self.max_cells // rows))
        want_places = -(-want_places // self._whole) * self._whole
        kept_rows, kept_places = min(keep, have_rows, want_rows), min(have_places, want_places)
        for blocks, axis in zip((self._keys, self._values), self._axes, strict=True):
            for layer, block in enumerate(blocks):
                if block is not None:
                    shape = [want_rows, *block.shape[1:]]
                    shape[axis] = want_places
                    grown = block.new_zeros(shape)
                    grown[:kept_rows].narrow(axis, 0, kept_places).copy_(block[:kept_rows].narrow(axis, 0, kept_places))
                    blocks[layer] = grown
        self._capacity = (want_rows, want_places)
        if self._heads is not None and self._dtype is not None:
            for blocks, axis in zip((self._keys, self._values), self._axes, strict=True):
                for layer, block in enumerate(blocks):
                    if block is None:
                        shape = [*self._heads]
                        shape.insert(axis - 1, 0)
                        blocks[layer] = self._made(shape, self._dtype, axis, torch.device("cpu"))

    def _made(self, shape: Sequence[int], dtype: torch.dtype, axis: int, device: torch.device) -> Tensor:
        """A block for states of this shape, whatever their number of places."""
        rows, places = self._capacity
        whole = [rows, *shape]
        whole[axis] = places
        return torch.zeros(whole, dtype=dtype, device=device)

    def _all(self) -> Iterator[tuple[Tensor, int]]:
        for blocks, axis in zip((self._keys, self._values), self._axes, strict=True):
            for block in blocks:
                if block is not None:
                    yield block, axis


class SlotCache(Rows, Cache):
    """A transformers cache whose rows belong to different answers. Announce each forward pass with `begin_prefill` or `begin_decode`."""

    def __init__(self, layers: int, *, max_rows: int, max_cells: int, step: int = STEP) -> None:
        Cache.__init__(self, layer_class_to_replicate=DynamicLayer)
        Rows.__init__(self, layers, max_rows=max_rows, max_cells=max_cells, step=step)
        self._row: int | None = None
        self._start = 0
        self._end = 0
        self._rows = 0
        self._several: slice | None = None
        """The rows whose prompts are read together in this pass."""
        self._positions: dict[torch.device, tuple[Tensor, Tensor]] = {}

    # What a forward pass is about

    def begin_prefill(self, row: int, start: int, count: int, *, rows: int) -> None:
        """The next forward pass reads `count` tokens of one row from place `start` on. `rows`: how many rows are in use."""
        self._row, self._start, self._end, self._rows, self._several = row, start, start + count, 1, None
        self.reserve(max(rows, row + 1), start + count, keep=rows)

    def begin_prefill_several(self, row: int, positions: Tensor, *, rows: int) -> None:
        """The next forward pass reads tokens of several rows, from `row` on. `positions`: [rows, tokens], where each goes. Rows with fewer tokens
        are filled up with others that go behind them, where nobody looks before the right ones are written there."""
        count, self._end = len(positions), int(positions.max()) + 1
        self._row, self._start, self._rows = None, self._end - positions.shape[1], count
        self._several = slice(row, row + count)
        index = torch.arange(row, row + count, device=positions.device)[:, None]
        self._positions = {positions.device: (index, positions)}
        self.reserve(max(rows, row + count), self._end, keep=rows)

    def begin_decode(self, positions: Tensor, longest: int, *, rows: int) -> None:
        """The next forward pass decodes one token of each of the first rows; `positions` says where it goes, `longest` is the greatest of them."""
        count = len(positions)
        self._row = 0 if count == 1 else None
        self._start, self._end, self._rows, self._several = longest, longest + 1, count, None
        self._positions = {positions.device: (torch.arange(count, device=positions.device), positions)}
        self.reserve(max(rows, count), longest + 1, keep=rows)

    # What transformers calls

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Store [rows, heads, new tokens, head size] of one layer; returns all there is of those rows."""
        return self._store(self._keys, key_states, layer_idx), self._store(self._values, value_states, layer_idx)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._start

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self._start + query_length, 0

    def __len__(self) -> int:
        return len(self._keys)

    def _store(self, blocks: list[Tensor | None], states: Tensor, layer: int) -> Tensor:
        block = blocks[layer]
        if block is None:
            block = blocks[layer] = self._made(states.shape[1:], states.dtype, 2, states.device)
        if self._row is not None:
            block[self._row, :, self._start : self._end] = states[0]
            return block[self._row : self._row + 1, :, : self._end]
        rows_index, positions = self._index(states.device)
        if self._several is not None:
            block[rows_index, :, positions] = states.transpose(1, 2)
            return block[self._several, :, : self._end]
        block[rows_index, :, positions] = states[:, :, 0]
        return block[: self._rows, :, : self._end]

    def _index(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Row numbers and positions, on the device of a layer (layers may lie on several)."""
        found = self._positions.get(device)
        if found is None:
            rows, positions = next(iter(self._positions.values()))
            found = self._positions[device] = (rows.to(device), positions.to(device))
        return found
