from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from inference.native_decoder import NativeDecoder
from inference.native_runner import NativeRunner
from inference.runner import Native, Runner, SlotRunner, TurnRunner, Unquantized, choose_runner
from inference.scheduler import Move
from tests.inference.tiny_models import make_model

KINDS = ["qwen3", "qwen2", "llama"]


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return make_model(request.param)


def logits_of(model: Any, ids: list[int]) -> torch.Tensor:
    """Computed whole, without any cache."""
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]


@pytest.fixture
def runners(model: Any, native: Native | None) -> list[Runner]:
    found: list[Runner] = [SlotRunner(model, max_rows=4, max_cells=4 * 512), TurnRunner(model)]
    if native is not None:
        found.append(NativeRunner(NativeDecoder(model, native.library, threads=native.threads), max_rows=4, max_cells=4 * 512))
    return found


@pytest.mark.parametrize("pieces", [[12], [1, 11], [5, 1, 6], [1] * 12])
def test_a_prompt_in_pieces_is_the_prompt_in_one(model: Any, runners: list[Runner], pieces: list[int]) -> None:
    ids = list(range(20, 32))
    for runner in runners:
        start = 0
        with torch.inference_mode():
            for count in pieces:
                logits = runner.prefill(0, ids[start : start + count], start, rows=1)
                start += count
        assert torch.allclose(logits[0], logits_of(model, ids), atol=1e-4)


def test_rows_of_different_lengths_decode_as_if_alone(model: Any, runners: list[Runner]) -> None:
    texts = [[5, 6, 7, 8, 9, 10, 11], [30], [100, 101, 102]]
    for runner in runners:
        with torch.inference_mode():
            for row, ids in enumerate(texts):
                runner.prefill(row, ids, 0, rows=row + 1)
            for step in range(3):
                tokens = [40 + step, 50 + step, 60 + step]
                logits = runner.decode(tokens, [len(ids) for ids in texts], rows=3)
                texts = [[*ids, token] for ids, token in zip(texts, tokens, strict=True)]
                for row, ids in enumerate(texts):
                    assert torch.allclose(logits[row], logits_of(model, ids), atol=1e-4)
        texts = [[5, 6, 7, 8, 9, 10, 11], [30], [100, 101, 102]]


@pytest.mark.parametrize("which", [SlotRunner, TurnRunner, NativeRunner])
def test_moved_rows_go_on(model: Any, runners: list[Runner], which: type) -> None:
    runner = next((runner for runner in runners if type(runner) is which), None) or pytest.skip("there is no C compiler here")
    one, other = [5, 6, 7], [30, 31]
    with torch.inference_mode():
        runner.prefill(0, one, 0, rows=1)
        runner.prefill(1, other, 0, rows=2)
        runner.move(Move(1, 0, 3, swap=True))
        swapped = runner.decode([9, 9], [2, 3], rows=2)
        runner.move(Move(1, 0, 4))
        moved = runner.decode([8], [4], rows=1)
    assert torch.allclose(swapped, torch.stack([logits_of(model, [*other, 9]), logits_of(model, [*one, 9])]), atol=1e-4)
    assert torch.allclose(moved[0], logits_of(model, [*one, 9, 8]), atol=1e-4)


def test_what_an_earlier_answer_left_in_a_row_is_not_seen() -> None:
    model = make_model()
    runner = SlotRunner(model, max_rows=2, max_cells=1024)
    rng = random.Random(1)
    with torch.inference_mode():
        runner.prefill(0, [rng.randrange(400) for _ in range(300)], 0, rows=1)
        runner.prefill(1, [rng.randrange(400) for _ in range(300)], 0, rows=2)
        runner.prefill(0, [5, 6], 0, rows=2)
        logits = runner.decode([7, 8], [2, 300], rows=2)
    assert torch.allclose(logits[0], logits_of(model, [5, 6, 7]), atol=1e-4)


def test_ordinary_decoders_decode_in_a_batch(model: Any, native: Native | None) -> None:
    with torch.inference_mode():
        if native is not None:
            assert type(choose_runner(model, max_rows=4, max_cells=4096, native=native)) is NativeRunner
        assert type(choose_runner(model, max_rows=4, max_cells=4096)) is SlotRunner


def test_sliding_windows_are_decoded_in_turns(native: Native | None) -> None:
    model = make_model("mistral", num_attention_heads=4, num_key_value_heads=2, sliding_window=8)
    with torch.inference_mode():
        runner = choose_runner(model, max_rows=4, max_cells=4096, native=native)
        assert not runner.batched
        ids = list(range(20, 40))
        runner.prefill(0, ids[:10], 0, rows=1)
        logits = runner.prefill(0, ids[10:], 10, rows=1)
    assert torch.allclose(logits[0], logits_of(model, ids), atol=1e-4)


def test_state_space_models_read_a_prompt_in_one_piece(native: Native | None) -> None:
    model = make_model("mamba", state_size=8, num_hidden_layers=2, vocabulary=402)
    with torch.inference_mode():
        runner = choose_runner(model, max_rows=4, max_cells=4096, native=native)
        assert (runner.batched, runner.chunked) == (False, False)
        ids = list(range(20, 30))
        runner.prefill(0, ids, 0, rows=1)
        logits = runner.decode([31], [10], rows=1)
    assert torch.allclose(logits[0], logits_of(model, [*ids, 31]), atol=1e-4)


def test_a_model_that_answers_differently_in_a_batch_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    monkeypatch.setattr(SlotRunner, "_mask", lambda self, positions, length: torch.zeros(len(positions), length))
    with torch.inference_mode():
        assert not choose_runner(model, max_rows=4, max_cells=4096).batched


def test_a_decoder_in_c_that_computes_something_else_is_found_out(native: Native | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if native is None:
        pytest.skip("there is no C compiler here")
    model, decode = make_model(), NativeDecoder.forward
    monkeypatch.setattr(NativeDecoder, "forward", lambda *args: decode(*args) + torch.arange(402))
    with torch.inference_mode():
        assert type(choose_runner(model, max_rows=4, max_cells=4096, native=native)) is SlotRunner
        with pytest.raises(Unquantized, match="computes something else"):
            choose_runner(make_model(), max_rows=4, max_cells=4096, native=native, bits=8)


def test_probing_leaves_the_rows_alone(model: Any, runners: list[Runner]) -> None:
    for runner in runners:
        with torch.inference_mode():
            runner.prefill(0, [5, 6], 0, rows=1)
            runner.probe()
            logits = runner.decode([7], [2], rows=1)
        assert torch.allclose(logits[0], logits_of(model, [5, 6, 7]), atol=1e-4)
