"""Weights in 8 or 4 bits: groups of 32 neighbours share a scale.

The same arithmetic as llama.cpp's Q8_0 and Q4_0 (8.5 and 4.5 bits per weight); in 4 bits the scale is the one of several that loses least.
Layout, for `native/product.c`: [out, in] filled up with zeros to whole blocks of 128. 8 bits: one byte a weight, 128 is zero. 4 bits: in a block of
64 bytes the low halves are its first 64 weights, the high halves the others, 8 is zero.
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 32
BLOCK = 128
ROWS_AT_ONCE = 256
KINDS = {torch.float32: 0, torch.bfloat16: 1}
"""What the C code calls number types."""


@dataclass(frozen=True, slots=True)
class Packed:
    bits: int
    data: Tensor
    """uint8, [out, in] or [out, in / 2]."""
    scales: Tensor
    """float16, [out, in / 32]."""
    width: int
    """`in` before it was filled up."""

    @property
    def nbytes(self) -> int:
        return self.data.nbytes + self.scales.nbytes


def pack(weight: Tensor, bits: int, library: ctypes.CDLL) -> Packed:
    """Quantise [out, in], float32 or bfloat16, in the C code, on all cores. `bits`: 8 or 4."""
    weight = weight.detach().contiguous()
    out, width = weight.shape
    filled = -(-width // BLOCK) * BLOCK
    data = torch.empty((out, filled * bits // 8), dtype=torch.uint8)
    scales = torch.empty((out, filled // GROUP), dtype=torch.float16)

    def some(first: int) -> None:
        source, numbers, beside = (part[first].data_ptr() for part in (weight, data, scales))
        library.llmsite_pack(source, KINDS[weight.dtype], min(ROWS_AT_ONCE, out - first), width, bits, numbers, beside)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # ctypes gives the interpreter's lock away
        list(pool.map(some, range(0, out, ROWS_AT_ONCE)))
    return Packed(bits, data, scales, width)


def unpack(packed: Packed) -> Tensor:
    """The weights that the numbers stand for, float32 [out, in]."""
    out = packed.data.shape[0]
    if packed.bits == 8:
        numbers = packed.data.float() - 128
    else:
        blocks = packed.data.view(out, -1, BLOCK // 2)
        numbers = torch.stack([blocks & 15, blocks >> 4], 2).float() - 8
    groups = numbers.reshape(out, -1, GROUP) * packed.scales.float()[..., None]
    return groups.reshape(out, -1)[:, : packed.width]
