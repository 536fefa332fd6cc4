"""Weights in 8 or 4 bits: groups of 32 neighbours share a scale.

The same arithmetic as llama.cpp's Q8_0 and Q4_0 (8.5 and 4.5 bits per weight); in 4 bits the scale is the one of several that loses least.
Layout, for `native/decoder.c`: [out, in] filled up with zeros to whole blocks of 128. 8 bits: one byte a weight, 128 is zero. 4 bits: in a block of
64 bytes the low halves are its first 64 weights, the high halves the others, 8 is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 32
BLOCK = 128
SCALES_TRIED = 16
ROWS_AT_ONCE = 4096


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


def pack(weight: Tensor, bits: int) -> Packed:
    """Quantise [out, in] of any float type. `bits`: 8 or 4."""
    pieces = [_pack(rows, bits) for rows in torch.split(weight.detach(), ROWS_AT_ONCE)]
    return Packed(bits, torch.cat([data for data, _ in pieces]), torch.cat([scales for _, scales in pieces]), weight.shape[1])


def _pack(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    out, width = weight.shape
    filled = torch.nn.functional.pad(weight.float(), (0, -width % BLOCK))
    groups = filled.view(out, -1, GROUP)
    scales = (_scales_8(groups) if bits == 8 else _scales_4(groups)).half()
    numbers = _round(groups, scales.float(), bits).view(out, -1)
    if bits == 8:
        return (numbers + 128).to(torch.uint8), scales
    halves = (numbers + 8).to(torch.uint8).view(out, -1, 2, BLOCK // 2)
    return (halves[:, :, 0] | (halves[:, :, 1] << 4)).reshape(out, -1), scales


def _round(groups: Tensor, scales: Tensor, bits: int) -> Tensor:
    low, high = (-127, 127) if bits == 8 else (-8, 7)
    inverse = torch.where(scales == 0, 0.0, 1.0 / scales)
    return (groups * inverse[..., None]).round_().clamp_(low, high)


def _scales_8(groups: Tensor) -> Tensor:
    return groups.abs().amax(-1) / 127


def _scales_4(groups: Tensor) -> Tensor:
    """The greatest number becomes -8 (there is no +8), or a little less than that, whichever gives the smallest squared error."""
    most = groups.gather(-1, groups.abs().argmax(-1, keepdim=True))[..., 0]
    best, error = most / -8, torch.full(most.shape, float("inf"))
    for step in range(SCALES_TRIED):
        scales = (most / -(8.8 - 0.1 * step)).half().float()
        lost = (_round(groups, scales, 4) * scales[..., None] - groups).square().sum(-1)
        best, error = torch.where(lost < error, scales, best), torch.minimum(lost, error)
    return best


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
