"""Runs the model: reads a piece of one prompt, or decodes one token of many answers. The only place that calls it.

`NativeRunner` (native_runner.py) decodes in C, on a CPU, what is built like Llama. `SlotRunner` decodes all answers in one forward pass of
torch from a SlotCache. `TurnRunner` keeps a cache of the model's own kind for each answer and takes
them in turns: for models whose layers keep something else than all keys and values (sliding windows, state spaces). `choose_runner` picks.
"""

from __future__ import annotations

import ctypes
import inspect
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from inference.kv_cache import SlotCache
from inference.native_decoder import NativeDecoder, NotNative
from inference.native_runner import NativeRunner, quantized
from inference.packed_linear import pack_linears
from inference.scheduler import Move

log = logging.getLogger(__name__)

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
TOLERANCE_16_BIT = 0.08


Part = tuple[Sequence[int], int]
"""Tokens of a prompt, and the place of the first of them."""


class Runner(Protocol):
    batched: bool
    """All answers in one pass, or in turns."""
    chunked: bool
    """A prompt may be read in pieces."""
    reuses: bool
    """What was computed for one answer can be kept, and be the beginning of another."""
    exact: bool
    """What is computed for an answer does not depend, to the last bit, on its company or on the pieces in which its prompt is read."""
    weight_bytes: int | None
    """What its weights take, where it does not share the model's."""

    def prefill(self, row: int, ids: Sequence[int], start: int, *, rows: int) -> Tensor:
        """Read `ids` at `start` of a row. `rows`: how many rows are in use. Returns the logits behind the last of them, [1, vocabulary]."""
        ...

    def prefill_several(self, row: int, parts: Sequence[Part], *, rows: int) -> Tensor:
        """The same for several rows at once, from `row` on. Returns [parts, vocabulary]. Only where `batched`."""
        ...

    def keep(self, row: int, length: int) -> Any:
        """A copy of the first `length` tokens of a row, for `restore`."""
        ...

    def restore(self, row: int, kept: Any, length: int, *, rows: int) -> None:
        """Begin a row with the first `length` tokens of what was kept."""
        ...

    @property
    def cells(self) -> int:
        """Places that the rows take now, used or not."""
        ...

    def decode(self, tokens: Sequence[int], positions: Sequence[int], *, rows: int) -> Tensor:
        """One step for rows 0 … n-1: `tokens[i]` goes to place `positions[i]` of row i. Returns [n, vocabulary]."""
        ...

    def limit(self, cells: int) -> None:
        """Let the rows grow to no more than so many places, whatever was said at the beginning."""
        ...

    def move(self, move: Move) -> None: ...

    def wipe(self, row: int) -> None:
        """Overwrite a row with zeros."""
        ...

    def clear(self) -> None:
        """Forget all rows."""
        ...

    def probe(self) -> None:
        """One token through the model, beside all rows. Raises what the model raises."""
        ...


class SlotRunner:
    batched = True
    chunked = True
    reuses = True
    exact = False
    weight_bytes: int | None = None

    def __init__(self, model: Any, *, max_rows: int, max_cells: int) -> None:
        self._call = _Call(model)
        self._device = _input_device(model)
        self._dtype = model.dtype
        self.cache = SlotCache(_text_config(model).num_hidden_layers, max_rows=max_rows, max_cells=max_cells)

    def prefill(self, row: int, ids: Sequence[int], start: int, *, rows: int) -> Tensor:
        count = len(ids)
        self.cache.begin_prefill(row, start, count, rows=rows)
        positions = torch.arange(start, start + count, device=self._device)
        mask = self._mask(positions, start + count)[None, None] if start and count > 1 else None
        return self._call(torch.tensor([list(ids)], device=self._device), positions[None], mask, self.cache)

    def prefill_several(self, row: int, parts: Sequence[Part], *, rows: int) -> Tensor:
        counts = [len(ids) for ids, _ in parts]
        width = max(counts)
        starts = torch.tensor([start for _, start in parts], device=self._device)
        positions = starts[:, None] + torch.arange(width, device=self._device)
        self.cache.begin_prefill_several(row, positions, rows=rows)
        ids = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids, _ in parts], device=self._device)
        return self._call(ids, positions, self._mask(positions, int(positions.max()) + 1)[:, None], self.cache, last=counts)

    def keep(self, row: int, length: int) -> Any:
        return self.cache.keep(row, length)

    def restore(self, row: int, kept: Any, length: int, *, rows: int) -> None:
        self.cache.restore(row, kept, length, rows=rows)

    @property
    def cells(self) -> int:
        rows, places = self.cache.capacity
        return rows * places

    def decode(self, tokens: Sequence[int], positions: Sequence[int], *, rows: int) -> Tensor:
        places = torch.tensor(positions, device=self._device)
        longest = max(positions)
        self.cache.begin_decode(places, longest, rows=rows)
        mask = self._mask(places, longest + 1)[:, None, None] if min(positions) != longest else None
        return self._call(torch.tensor(tokens, device=self._device)[:, None], places[:, None], mask, self.cache)

    def _mask(self, positions: Tensor, length: int) -> Tensor:
        """[…positions, length], added to the attention scores: 0 up to each position, -inf behind it."""
        hidden = torch.arange(length, device=self._device) > positions[..., None]
        return torch.zeros(hidden.shape, dtype=self._dtype, device=self._device).masked_fill_(hidden, float("-inf"))

    def limit(self, cells: int) -> None:
        self.cache.max_cells = cells

    def move(self, move: Move) -> None:
        (self.cache.swap if move.swap else self.cache.move)(move.source, move.target, move.length)

    def wipe(self, row: int) -> None:
        self.cache.wipe(row)

    def clear(self) -> None:
        self.cache.clear()

    def probe(self) -> None:
        self._call.probe(self._device)


class TurnRunner:
    batched = False
    reuses = False
    exact = False
    cells = 0
    weight_bytes: int | None = None

    def __init__(self, model: Any) -> None:
        self._call = _Call(model)
        self._model = model
        self._device = _input_device(model)
        self._caches: dict[int, Any] = {}
        self.chunked = all(isinstance(layer, DynamicLayer) for layer in DynamicCache(config=model.config).layers)

    def prefill(self, row: int, ids: Sequence[int], start: int, *, rows: int) -> Tensor:
        if start == 0:
            self._caches[row] = DynamicCache(config=self._model.config)
        return self._forward(row, list(ids), start)

    def prefill_several(self, row: int, parts: Sequence[Part], *, rows: int) -> Tensor:
        raise NotImplementedError("one row at a time")

    def keep(self, row: int, length: int) -> Any:
        raise NotImplementedError("what the layers keep cannot be cut")

    def restore(self, row: int, kept: Any, length: int, *, rows: int) -> None:
        raise NotImplementedError("what the layers keep cannot be cut")

    def decode(self, tokens: Sequence[int], positions: Sequence[int], *, rows: int) -> Tensor:
        return torch.cat([self._forward(row, [token], place) for row, (token, place) in enumerate(zip(tokens, positions, strict=True))])

    def _forward(self, row: int, ids: list[int], start: int) -> Tensor:
        positions = torch.arange(start, start + len(ids), device=self._device)[None]
        return self._call(torch.tensor([ids], device=self._device), positions, None, self._caches[row])

    def limit(self, cells: int) -> None:
        """Each answer's own cache is as long as the answer."""

    def move(self, move: Move) -> None:
        moved, other = self._caches.pop(move.source, None), self._caches.pop(move.target, None)
        for row, cache in ((move.target, moved), (move.source, other if move.swap else None)):
            if cache is not None:
                self._caches[row] = cache

    def wipe(self, row: int) -> None:
        self._caches.pop(row, None)

    def clear(self) -> None:
        self._caches.clear()

    def probe(self) -> None:
        self._call.probe(self._device)


class _Call:
    """The model's forward pass with the keywords that it takes; returns the logits behind the last position, [rows, vocabulary].

    `last`: how many tokens of each row count, where that differs; the logits are those behind the last that does.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        known = inspect.signature(model.forward).parameters
        self._keeps = "logits_to_keep" in known
        self._positions = "position_ids" in known
        self._cache = "past_key_values" if "past_key_values" in known else "cache_params"  # as the pure state-space models call it

    def __call__(self, ids: Tensor, positions: Tensor, mask: Tensor | None, cache: Any, *, last: Sequence[int] | None = None) -> Tensor:
        extra: dict[str, Any] = {"position_ids": positions} if self._positions else {}
        ends = sorted({count - 1 for count in last}) if last else []
        if self._keeps:  # the head of the model is large: it is not computed for what nobody looks at
            extra["logits_to_keep"] = torch.tensor(ends, device=ids.device) if ends else 1
        result = self._model(input_ids=ids, attention_mask=mask, use_cache=True, **{self._cache: cache}, **extra)
        logits: Tensor = result.logits
        if last is None:
            return logits[:, -1]
        columns = [ends.index(count - 1) if self._keeps else count - 1 for count in last]
        return logits[torch.arange(len(columns), device=logits.device), torch.tensor(columns, device=logits.device)]

    def probe(self, device: torch.device) -> None:
        logits = self(torch.tensor([[1]], device=device), torch.tensor([[0]], device=device), None, DynamicCache(config=self._model.config))
        logits.sum().item()  # an accelerator reports its failures when it is waited for


@dataclass(frozen=True, slots=True)
class Native:
    """The decoder in C, and how many threads it gets."""

    library: ctypes.CDLL
    threads: int


class Unquantized(Exception):
    """This model cannot be decoded from quantised weights here. The text says why, as a clause."""


def choose_runner(model: Any, *, max_rows: int, max_cells: int, native: Native | None = None, bits: int | None = None, pack: bool = True) -> Runner:
    """The fastest runner that computes what the model does: in C, else a SlotRunner, else a TurnRunner. Warms the model up on the way.

    `bits`: quantise the weights to so many, which only the decoder in C does. `pack`: torch may put the weights in another order, which gives up
    those that the model had. Raises Unquantized.
    """
    turns = TurnRunner(model)
    tolerance = TOLERANCE.get(model.dtype, TOLERANCE_16_BIT)
    why = "this computer has no C compiler" if native is None else ""
    if native is not None:
        try:
            runner = NativeRunner(NativeDecoder(model, native.library, threads=native.threads), max_rows=max_rows, max_cells=max_cells)
            if _agree(runner, turns, tolerance):
                return _quantize(model, bits, native, max_rows=max_rows, max_cells=max_cells) if bits else runner
            why = "the decoder in C computes something else"
            log.warning("%s: it is not used", why)
        except NotNative as reason:
            why = str(reason)
            log.info("this model is decoded by torch: %s", why)
    if bits:
        raise Unquantized(why)
    if not all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers):
        log.info("the model keeps more than keys and values of all tokens: its answers are decoded in turns")
        return turns
    if pack and model.device.type == "cpu" and not hasattr(model, "hf_device_map"):
        pack_linears(model)  # not before: state-space models look at their layers' weights
    slots = SlotRunner(model, max_rows=max_rows, max_cells=max_cells)
    if not _agree(slots, turns, tolerance):
        log.warning("the model decodes differently in a batch: its answers are decoded in turns")
        return turns
    return slots


def _quantize(model: Any, bits: int, native: Native, *, max_rows: int, max_cells: int) -> Runner:
    decoder = NativeDecoder(model, native.library, threads=native.threads, packed=quantized(model, bits, native.library))
    return NativeRunner(decoder, max_rows=max_rows, max_cells=max_cells)


def _agree(slots: Runner, turns: TurnRunner, tolerance: float) -> bool:
    """Read two short prompts, one of them in two pieces, and decode a token of both; then the two at once: are the logits the same?"""
    one, other = [3, 1, 4, 1, 5], [2, 7]
    try:
        expected = [turns.prefill(0, one, 0, rows=2), turns.prefill(1, other, 0, rows=2), turns.decode([6, 8], [5, 2], rows=2)]
        slots.prefill(0, one[:2], 0, rows=1)
        got = [slots.prefill(0, one[2:], 2, rows=1), slots.prefill(1, other, 0, rows=2), slots.decode([6, 8], [5, 2], rows=2)]
        slots.clear()
        both = slots.prefill_several(0, [(one, 0), (other, 0)], rows=2)
        got += [both[:1], both[1:], slots.decode([6, 8], [5, 2], rows=2)]
    except Exception:
        log.exception("the model cannot be decoded so")
        return False
    finally:
        slots.clear()
        turns.clear()
    return all(_close(a.float(), b.float(), tolerance) for a, b in zip(got, expected * 2, strict=True))


def _close(got: Tensor, expected: Tensor, tolerance: float) -> bool:
    return float((got - expected).abs().max()) <= tolerance * max(1.0, float(expected.abs().max()))


def _input_device(model: Any) -> torch.device:
    """Where the embedding lies (other layers may lie elsewhere)."""
    device: torch.device = model.get_input_embeddings().weight.device
    return torch.device("cpu") if device.type == "meta" else device


def _text_config(model: Any) -> Any:
    return model.config.get_text_config(decoder=True)
