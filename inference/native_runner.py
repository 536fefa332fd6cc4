"""The runner that decodes in C (native/decoder.c): models of the Llama kind, on a CPU. See `Runner` in runner.py for what each method does."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from torch import Tensor, nn

from inference.kv_cache import Rows
from inference.native_decoder import PLACES, NativeDecoder
from inference.quantize import Packed, pack
from inference.scheduler import Move

log = logging.getLogger(__name__)


class NativeRunner:
    batched = True
    chunked = True
    reuses = True
    exact = True

    def __init__(self, decoder: NativeDecoder, *, max_rows: int, max_cells: int) -> None:
        self._decoder = decoder
        self.library = decoder.library
        self.weight_bytes: int | None = decoder.weight_bytes
        self.cache = self._rows(max_rows, max_cells)

    def _rows(self, max_rows: int, max_cells: int) -> Rows:
        decoder = self._decoder
        heads = (decoder.kv_heads, decoder.head)
        return Rows(decoder.layers, max_rows=max_rows, max_cells=max_cells, axes=(3, 2), heads=heads, dtype=decoder.dtype, whole=PLACES)

    def prefill(self, row: int, ids: Sequence[int], start: int, *, rows: int) -> Tensor:
        return self.mixed([(row, ids, start)], [0], rows=rows)

    def prefill_several(self, row: int, parts: Sequence[tuple[Sequence[int], int]], *, rows: int) -> Tensor:
        return self.mixed([(row + i, ids, start) for i, (ids, start) in enumerate(parts)], range(len(parts)), rows=rows)

    def mixed(self, parts: Sequence[tuple[int, Sequence[int], int]], wanted: Sequence[int], *, rows: int) -> Tensor:
        """One pass over pieces of prompts and newest tokens of answers alike: of each part the row, its tokens and the place of the first of them;
        a row comes once. Returns the logits behind the last tokens of the parts `wanted` (rising), [wanted, vocabulary]."""
        self.cache.reserve(max(rows, *(row + 1 for row, _, _ in parts)), max(start + len(ids) for _, ids, start in parts), keep=rows)
        tokens = [token for _, ids, _ in parts for token in ids]
        in_rows = [row for row, ids, _ in parts for _ in ids]
        places = [place for _, ids, start in parts for place in range(start, start + len(ids))]
        ends = list(accumulate(len(ids) for _, ids, _ in parts))
        return self._decoder.forward(tokens, in_rows, places, [ends[part] - 1 for part in wanted], *self.cache.blocks())

    def decode(self, tokens: Sequence[int], positions: Sequence[int], *, rows: int) -> Tensor:
        count = len(tokens)
        self.cache.reserve(max(rows, count), max(positions) + 1, keep=rows)
        each = range(count)
        return self._decoder.forward(tokens, each, positions, each, *self.cache.blocks())

    def keep(self, row: int, length: int) -> Any:
        return self.cache.keep(row, length)

    def restore(self, row: int, kept: Any, length: int, *, rows: int) -> None:
        self.cache.restore(row, kept, length, rows=rows)

    @property
    def cells(self) -> int:
        rows, places = self.cache.capacity
        return rows * places

    def limit(self, cells: int) -> None:
        self.cache.max_cells = cells

    def move(self, move: Move) -> None:
        (self.cache.swap if move.swap else self.cache.move)(move.source, move.target, move.length)

    def wipe(self, row: int) -> None:
        self.cache.wipe(row)

    def clear(self) -> None:
        self.cache.clear()

    def probe(self) -> None:
        beside = self._rows(1, PLACES)
        beside.reserve(1, 1, keep=0)
        self._decoder.forward([1], [0], [0], [0], *beside.blocks())


def quantized(model: Any, bits: int, library: ctypes.CDLL) -> dict[str, Packed]:
    """The packed weights of a model's linear layers and its embedding, by module name. `bits`: 8 or 4.

    In 4 bits the embedding and the output layer get 8: they are read for every token, and 4 bits cost most there. The model's own weights are given
    up one by one, so that both copies of all of them never lie in memory: the model cannot compute any more.
    """
    packed: dict[str, Packed] = {}
    head = model.get_output_embeddings()
    tied = head.weight is model.get_input_embeddings().weight
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear | nn.Embedding) or (module is head and tied):
            continue
        outer = module is head or isinstance(module, nn.Embedding)
        packed[name] = pack(module.weight, 8 if outer else bits, library)
        module.weight = nn.Parameter(module.weight.new_empty((0, 0)), requires_grad=False)
    if tied:
        packed["lm_head"] = packed["model.embed_tokens"]
        head.weight = nn.Parameter(head.weight.new_empty((0, 0)), requires_grad=False)
    return packed
