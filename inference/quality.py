"""What quantised weights cost a model: its perplexity on a fixed text, and how often its likeliest next token stays the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inference.errors import CannotQuantize
from inference.loading import load, native_threads
from inference.native_build import NoCompiler, build
from inference.native_build import load as load_native
from inference.native_decoder import PLACES, NativeDecoder, NotNative
from inference.native_runner import quantized
from inference.quality_text import TEXT
from inference.types import LoadProgress, ProgressCallback

PIECE = 512
"""Tokens that are read in one go, none of them knowing of the piece before."""
LOGITS_AT_ONCE = 64
"""Their logits lie in memory together: 40 MB for a vocabulary of 150,000."""


@dataclass(frozen=True, slots=True)
class Quality:
    tokens: int
    """How many were predicted."""
    whole: float
    """The perplexity of the model as it is,"""
    quantized: float
    """and with fewer bits."""
    agreement: float
    """The share of places where the likeliest next token is the same."""

    def lines(self, bits: int) -> tuple[str, ...]:
        change = 100 * (self.quantized / self.whole - 1)
        return (
            f"In {bits} bits, measured on {self.tokens:,} tokens of a fixed text: perplexity {self.quantized:.2f}, {change:+.1f} % "
            f"(as it is: {self.whole:.2f}); the likeliest next token is the same in {100 * self.agreement:.1f} %.",
        )


def measure(path: Path, bits: int, *, name: str, native: Path, progress: ProgressCallback = lambda step: None) -> Quality:
    """Load the model, read the text with it, quantise it, and read the text again. Raises EngineError."""
    try:
        library = load_native(build(native))
    except NoCompiler as reason:
        raise CannotQuantize(model=name, bits=bits, reason=str(reason)) from reason
    with torch.inference_mode():
        loaded = load(path, name=name, device="cpu", dtype="auto", offload=None, progress=progress, native=True)
        ids = loaded.tokenizer(TEXT, add_special_tokens=False).input_ids
        piece = min(PIECE, loaded.context or PIECE)
        threads = native_threads(loaded.weight_bytes)
        try:
            progress(LoadProgress("reading the text"))
            before = _read(NativeDecoder(loaded.model, library, threads=threads), ids, piece)
            progress(LoadProgress("quantising"))
            packed = quantized(loaded.model, bits, library)
            progress(LoadProgress("reading the text again"))
            after = _read(NativeDecoder(loaded.model, library, threads=threads, packed=packed), ids, piece)
        except NotNative as reason:
            raise CannotQuantize(model=name, bits=bits, reason=str(reason)) from reason
    same = float((before[1] == after[1]).float().mean())
    return Quality(len(before[0]), math.exp(-float(before[0].mean())), math.exp(-float(after[0].mean())), same)


def _read(decoder: NativeDecoder, ids: list[int], piece: int) -> tuple[Tensor, Tensor]:
    """For each token but the first of each piece: the log-probability that the model gave it, and the token that it found likeliest."""
    places = -(-piece // PLACES) * PLACES
    keys = [torch.zeros((1, decoder.kv_heads, decoder.head, places), dtype=decoder.dtype) for _ in range(decoder.layers)]
    values = [torch.zeros((1, decoder.kv_heads, places, decoder.head), dtype=decoder.dtype) for _ in range(decoder.layers)]
    chances: list[Tensor] = []
    likeliest: list[Tensor] = []
    for start in range(0, len(ids), piece):
        text = ids[start : start + piece]
        for first in range(0, len(text) - 1, LOGITS_AT_ONCE):
            some = text[first : min(first + LOGITS_AT_ONCE, len(text) - 1)]
            count = len(some)
            logits = decoder.forward(some, [0] * count, range(first, first + count), range(count), keys, values)
            following = torch.tensor(text[first + 1 : first + count + 1])
            chances.append(logits.log_softmax(-1).gather(1, following[:, None])[:, 0])
            likeliest.append(logits.argmax(-1))
    return torch.cat(chances), torch.cat(likeliest)
