"""The decoder in C computes what transformers computes, and to the last bit the same in any company."""

from __future__ import annotations

import platform
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.native_build import build, load
from inference.native_decoder import NativeDecoder, NotNative
from inference.native_runner import NativeRunner, quantized
from inference.quantize import pack, unpack
from inference.runner import Native, SlotRunner, Unquantized, choose_runner
from tests.inference.tiny_models import make_model

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
HEADS = [
    {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16},
    {"num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 32},
    {"num_attention_heads": 7, "num_key_value_heads": 1, "head_dim": 48},
    {"num_attention_heads": 10, "num_key_value_heads": 1, "head_dim": 80},
]


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def runner_of(model: Any, native: Native, bits: int | None = None, threads: int = 2) -> NativeRunner:
    packed = quantized(model, bits, native.library) if bits else None
    return NativeRunner(NativeDecoder(model, native.library, threads=threads, packed=packed), max_rows=8, max_cells=8 * 512)


def logits_of(model: Any, ids: Sequence[int]) -> Tensor:
    result: Tensor = model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0].float()
    return result


@pytest.mark.parametrize("kind", ["qwen3", "qwen2", "llama", "mistral"])
@pytest.mark.parametrize("heads", HEADS)
def test_every_shape_of_heads(compiled: Native, kind: str, heads: dict[str, int]) -> None:
    more = {} if kind == "qwen3" else {"hidden_size": heads["num_attention_heads"] * heads["head_dim"]}
    more |= {"sliding_window": None} if kind == "mistral" else {}
    model = make_model(kind, **heads, **more)
    ids = [random.Random(1).randrange(400) for _ in range(41)]
    logits = runner_of(model, compiled).prefill(0, ids, 0, rows=1)
    expected = logits_of(model, ids)[-1]
    assert torch.allclose(logits[0], expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(
    "more",
    [
        {"tie_word_embeddings": False},
        {"attention_bias": True},
        {"hidden_size": 72, "intermediate_size": 100},  # whole registers neither
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 5e5,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64}},
        {"rms_norm_eps": 1e-2},
    ],
)
def test_what_else_a_model_may_be(compiled: Native, more: dict[str, Any]) -> None:
    model = make_model("llama", **{"head_dim": 16, "num_key_value_heads": 2} | more)
    ids = [random.Random(2).randrange(400) for _ in range(100)]
    logits = runner_of(model, compiled).prefill(0, ids, 0, rows=1)
    expected = logits_of(model, ids)[-1]
    assert torch.allclose(logits[0], expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("numbers", "inner"), [("float32", 200), ("bfloat16", 200), ("bfloat16", 2592), ("int8", 200), ("int4", 200)])
@pytest.mark.parametrize("threads", [1, 2])
def test_any_company_and_any_pieces_are_the_same_to_the_last_bit(compiled: Native, numbers: str, inner: int, threads: int) -> None:
    model = make_model("qwen3", num_attention_heads=6, num_key_value_heads=2, head_dim=32, intermediate_size=inner)
    bits = {"int8": 8, "int4": 4}.get(numbers)
    runner = runner_of(model.bfloat16() if numbers == "bfloat16" else model, compiled, bits, threads)
    chance = random.Random(3)
    texts = [[chance.randrange(400) for _ in range(length)] for length in (70, 70, 70, 33, 1, 15, 64, 7)]
    alone = []
    for ids in texts:
        alone.append(runner.prefill(0, ids, 0, rows=1))
        alone[-1] = torch.cat([alone[-1], runner.decode([5], [len(ids)], rows=1)])
        runner.clear()
    done = [0] * len(texts)
    got: list[list[Tensor]] = [[] for _ in texts]
    while any(len(of_row) < 2 for of_row in got):  # some are being read while others are decoded already
        parts, wanted = [], []
        for row in chance.sample(range(len(texts)), len(texts)):
            ids, begun = texts[row], done[row]
            if len(got[row]) == 2:
                continue
            piece = ids[begun : begun + chance.choice([1, 3, 10, 40])] or [5]
            done[row] += len(piece)
            parts.append((row, piece, begun))
            if done[row] >= len(ids):
                wanted.append(len(parts) - 1)
        for part, logits in zip(wanted, runner.mixed(parts, wanted, rows=len(texts)), strict=True):
            got[parts[part][0]].append(logits)
    for expected, of_row in zip(alone, got, strict=True):
        assert torch.equal(expected, torch.stack(of_row))


@pytest.mark.parametrize("bits", [8, 4])
def test_quantised_it_is_the_model_with_rounded_weights(compiled: Native, bits: int) -> None:
    model, rounded = make_model("qwen2", num_key_value_heads=2), make_model("qwen2", num_key_value_heads=2)
    for module in rounded.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            outer = module in (rounded.get_input_embeddings(), rounded.get_output_embeddings())
            if not outer or isinstance(module, torch.nn.Embedding):
                module.weight.data = unpack(pack(module.weight, 8 if outer else bits, compiled.library))
    rounded.tie_weights()
    ids = [random.Random(4).randrange(400) for _ in range(30)]
    expected = logits_of(rounded, ids)[-1]
    logits = runner_of(model, compiled, bits).prefill(0, ids, 0, rows=1)[0]
    assert torch.allclose(logits, expected, atol=0.03 * float(expected.abs().max()))  # activations are rounded to 8 bits, too
    assert logits.argmax() == expected.argmax()


def test_quantised_by_choice(compiled: Native) -> None:
    whole = choose_runner(make_model(), max_rows=2, max_cells=512, native=compiled)
    eight = choose_runner(make_model(), max_rows=2, max_cells=512, native=compiled, bits=8)
    four = choose_runner(make_model(), max_rows=2, max_cells=512, native=compiled, bits=4)
    assert whole.weight_bytes is not None
    assert eight.weight_bytes is not None
    assert four.weight_bytes is not None
    assert whole.weight_bytes > eight.weight_bytes > four.weight_bytes
    with pytest.raises(Unquantized, match="no C compiler"):
        choose_runner(make_model(), max_rows=2, max_cells=512, bits=8)
    with pytest.raises(Unquantized, match="its layers do not keep everything"):
        choose_runner(make_model("mistral", sliding_window=8), max_rows=2, max_cells=512, native=compiled, bits=4)


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="these are kinds of x86 processors")
@pytest.mark.parametrize("march", ["x86-64-v2", "x86-64-v3"])
def test_processors_that_know_less(compiled: Native, native_folder: Path, march: str) -> None:
    older = load(build(native_folder, march=march))
    for make, bits in ((lambda: make_model(), None), (lambda: make_model().bfloat16(), None), (lambda: make_model(), 8), (lambda: make_model(), 4)):
        ids = [random.Random(5).randrange(400) for _ in range(50)]
        here = runner_of(make(), compiled, bits).prefill(0, ids, 0, rows=1)
        there = runner_of(make(), Native(older, 2), bits).prefill(0, ids, 0, rows=1)
        assert torch.allclose(here, there, atol=2e-2 * float(here.abs().max()))


def test_numbers_that_are_not_finite_stay_so(compiled: Native) -> None:
    model = make_model()
    model.model.layers[1].mlp.down_proj.weight[3, 5] = float("nan")
    runner = runner_of(model, compiled)
    assert runner.prefill(0, [5, 6, 7], 0, rows=1).isnan().any()
    runner.wipe(0)
    other = runner_of(make_model(), compiled)
    assert other.prefill(0, [5, 6, 7], 0, rows=1).isfinite().all()


@pytest.mark.parametrize(
    ("kind", "more", "why"),
    [
        ("gpt2", {"num_attention_heads": 4}, "it is a gpt2"),
        ("llama", {"hidden_act": "gelu"}, "it uses gelu"),
        ("qwen3", {"head_dim": 24}, "its heads have 24 dimensions"),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, "its positions are of the kind dynamic"),
    ],
)
def test_other_models_are_left_to_torch(compiled: Native, kind: str, more: dict[str, Any], why: str) -> None:
    model = make_model(kind, **more)
    with pytest.raises(NotNative, match=why):
        NativeDecoder(model, compiled.library, threads=1)
    assert type(choose_runner(model, max_rows=2, max_cells=512, native=compiled)) is SlotRunner


def test_other_numbers_are_left_to_torch(compiled: Native) -> None:
    with pytest.raises(NotNative, match="its weights are float16"):
        NativeDecoder(make_model().half(), compiled.library, threads=1)
