from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inference.kv_cache import SlotCache

HEADS, SIZE = 2, 4


def states(rows: int, count: int, value: float) -> Tensor:
    return torch.full((rows, HEADS, count, SIZE), value)


def write(cache: SlotCache, row: int, start: int, count: int, value: float, *, rows: int) -> Tensor:
    cache.begin_prefill(row, start, count, rows=rows)
    keys, values = cache.update(states(1, count, value), states(1, count, -value), 0)
    assert torch.equal(keys, -values)
    return keys[0, 0, :, 0]


def read(cache: SlotCache, rows: int, length: int) -> list[list[float]]:
    block = cache._keys[0]
    assert block is not None
    return block[:rows, 0, :length, 0].tolist()


def test_a_prompt_in_pieces_is_one_row() -> None:
    cache = SlotCache(1, max_rows=2, max_cells=64, step=4)
    assert write(cache, 0, 0, 3, 1.0, rows=1).tolist() == [1, 1, 1]
    assert write(cache, 0, 3, 2, 2.0, rows=1).tolist() == [1, 1, 1, 2, 2]
    assert cache.get_seq_length() == 3
    assert cache.get_mask_sizes(2, 0) == (5, 0)


def test_rows_of_different_lengths_decode_together() -> None:
    cache = SlotCache(1, max_rows=3, max_cells=64, step=4)
    write(cache, 0, 0, 2, 1.0, rows=1)
    write(cache, 1, 0, 5, 2.0, rows=2)
    cache.begin_decode(torch.tensor([2, 5]), 5, rows=2)
    keys, _ = cache.update(torch.tensor([7.0, 8.0]).view(2, 1, 1, 1).expand(2, HEADS, 1, SIZE), states(2, 1, 0.0), 0)
    assert keys[:, 0, :, 0].tolist() == [[1, 1, 7, 0, 0, 0], [2, 2, 2, 2, 2, 8]]


def test_one_row_alone_decodes_without_a_gather() -> None:
    cache = SlotCache(1, max_rows=3, max_cells=64, step=4)
    write(cache, 0, 0, 2, 1.0, rows=1)
    cache.begin_decode(torch.tensor([2]), 2, rows=1)
    keys, _ = cache.update(states(1, 1, 7.0), states(1, 1, 7.0), 0)
    assert keys[:, 0, :, 0].tolist() == [[1, 1, 7]]


def test_growing_keeps_what_is_there() -> None:
    cache = SlotCache(1, max_rows=4, max_cells=400, step=4)
    write(cache, 0, 0, 4, 1.0, rows=1)
    write(cache, 1, 0, 3, 2.0, rows=2)
    write(cache, 2, 0, 30, 3.0, rows=3)
    assert cache.capacity == (3, 32)
    assert read(cache, 2, 4) == [[1, 1, 1, 1], [2, 2, 2, 0]]


def test_never_takes_more_cells_than_it_may() -> None:
    cache = SlotCache(1, max_rows=4, max_cells=40, step=8)
    for row in range(4):
        write(cache, row, 0, 9, float(row), rows=row + 1)
        assert cache.capacity[0] * cache.capacity[1] <= 40
    write(cache, 0, 0, 39, 9.0, rows=1)  # one long answer, after the others have gone
    assert cache.capacity == (1, 40)
    assert cache.nbytes == 2 * 40 * HEADS * SIZE * 4


def test_move_and_swap() -> None:
    cache = SlotCache(1, max_rows=3, max_cells=64, step=4)
    for row in range(3):
        write(cache, row, 0, 2, row + 1.0, rows=row + 1)
    cache.swap(0, 2, 2)
    assert read(cache, 3, 2) == [[3, 3], [2, 2], [1, 1]]
    cache.move(2, 0, 2)
    assert read(cache, 2, 2) == [[1, 1], [2, 2]]


def test_wiping_a_row_leaves_the_others() -> None:
    cache = SlotCache(1, max_rows=2, max_cells=64, step=4)
    write(cache, 0, 0, 2, float("inf"), rows=1)
    write(cache, 1, 0, 2, 2.0, rows=2)
    cache.wipe(0)
    assert read(cache, 2, 2) == [[0, 0], [2, 2]]


def test_clearing_gives_the_memory_back() -> None:
    cache = SlotCache(1, max_rows=2, max_cells=64, step=4)
    write(cache, 0, 0, 2, 1.0, rows=1)
    cache.clear()
    assert (cache.nbytes, cache.capacity) == (0, (0, 0))
    assert write(cache, 0, 0, 3, 5.0, rows=1).tolist() == [5, 5, 5]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_keeps_the_models_number_type(dtype: torch.dtype) -> None:
    cache = SlotCache(1, max_rows=1, max_cells=64)
    cache.begin_prefill(0, 0, 2, rows=1)
    keys, values = cache.update(states(1, 2, 1.0).to(dtype), states(1, 2, 1.0).to(dtype), 0)
    assert keys.dtype == values.dtype == dtype
