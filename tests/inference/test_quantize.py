from __future__ import annotations

import pytest
import torch

from inference.quantize import BLOCK, GROUP, pack, unpack
from inference.runner import Native


@pytest.mark.parametrize(("bits", "most"), [(8, 0.01), (4, 0.12)])
@pytest.mark.parametrize("shape", [(3, 128), (5, 200), (1, 32), (4100, 64)])
def test_what_it_loses(compiled: Native, bits: int, most: float, shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    weight = torch.randn(shape)
    packed = pack(weight, bits, compiled.library)
    back = unpack(packed)
    assert back.shape == weight.shape
    assert float((back - weight).norm() / weight.norm()) < most


@pytest.mark.parametrize("bits", [8, 4])
def test_what_is_in_the_numbers_already_comes_back(compiled: Native, bits: int) -> None:
    torch.manual_seed(2)
    numbers = torch.randint(-7, 8, (6, 2 * BLOCK)).float()
    numbers[:, ::GROUP] = -8 if bits == 4 else 127
    weight = numbers * 0.25
    assert torch.allclose(unpack(pack(weight, bits, compiled.library)), weight, atol=1e-3)


@pytest.mark.parametrize("bits", [8, 4])
def test_zeros_stay_zeros(compiled: Native, bits: int) -> None:
    assert torch.equal(unpack(pack(torch.zeros(2, BLOCK), bits, compiled.library)), torch.zeros(2, BLOCK))


def test_sizes(compiled: Native) -> None:
    weight = torch.randn(16, 256)
    assert (pack(weight, 8, compiled.library).nbytes * 8 / weight.numel(), pack(weight, 4, compiled.library).nbytes * 8 / weight.numel()) == (
        8.5,
        4.5,
    )


def test_the_layout_that_the_c_code_reads(compiled: Native) -> None:
    weight = torch.zeros(1, BLOCK)
    weight[0, 0], weight[0, 1], weight[0, 64], weight[0, 65] = -8.0, 3.0, -8.0, 5.0
    packed = pack(weight, 4, compiled.library)
    scale = packed.scales[0, 0].item()
    assert packed.data[0, 0] == 0  # both halves are -8
    assert packed.data[0, 1].item() & 15 == 8 + round(3 / scale)
    assert packed.data[0, 1].item() >> 4 == 8 + round(5 / packed.scales[0, 2].item())


@pytest.mark.parametrize("bits", [8, 4])
def test_very_small_and_very_large_weights(compiled: Native, bits: int) -> None:
    torch.manual_seed(3)
    for size in (1e-7, 1e-4, 1e4):
        weight = torch.randn(4, BLOCK) * size
        back = unpack(pack(weight, bits, compiled.library))
        assert float((back - weight).abs().max()) <= 0.2 * float(weight.abs().max()) + 6e-8 * 8
