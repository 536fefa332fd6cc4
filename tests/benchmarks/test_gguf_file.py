"""The file for llama.cpp must hold the very weights of the model: a benchmark of something else would be worth nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.gguf_file import LAYER, WHOLE, name_of, renamed, tensors, write
from tests.inference.tiny_models import make_model


@pytest.mark.parametrize("kind", ["qwen2", "qwen3"])
def test_every_tensor_of_a_model_has_a_name(kind: str) -> None:
    names = [name for name, _ in make_model(kind, tie_word_embeddings=False).named_parameters()]
    assert len({name_of(name) for name in names}) == len(names)


def test_names_are_those_of_llama_cpp() -> None:
    assert name_of("model.embed_tokens.weight") == "token_embd.weight"
    assert name_of("model.layers.11.self_attn.q_proj.bias") == "blk.11.attn_q.bias"
    assert name_of("model.layers.0.post_attention_layernorm.weight") == "blk.0.ffn_norm.weight"


@pytest.mark.parametrize("name", ["model.layers.0.mlp.experts.weight", "model.layers.x.mlp.up_proj.weight", "rotary.weight"])
def test_a_tensor_of_another_model_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="qwen2 or qwen3"):
        name_of(name)


def test_the_names_are_known_to_gguf() -> None:
    """Against the package's own table, where it is installed."""
    gguf = pytest.importorskip("gguf")
    known = set(gguf.TENSOR_NAMES.values())
    assert {*WHOLE.values(), *(f"blk.{{bid}}.{name}" for name in LAYER.values())} <= known


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_are_read_as_they_are(tmp_path: Path, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    saved = {"a.weight": torch.randn(3, 5).to(kind), "b.bias": torch.tensor([1e-30, -2.5, 3e4]).to(kind)}
    save_file(saved, tmp_path / "model.safetensors", metadata={"format": "pt"})
    read = dict(tensors(tmp_path))
    assert read.keys() == saved.keys()
    for name, value in saved.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], value.float().numpy())


def test_weights_of_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, dtype=torch.int32)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="I32"):
        list(tensors(tmp_path))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one of f32, f16, bf16, q8_0, q4_0, got q2_k"):
        write(tmp_path, tmp_path / "x.gguf", "q2_k")


def test_no_name_is_left_that_llama_cpp_takes_for_an_end() -> None:
    text = renamed("{{- '<|im_start|>' + message.content + '<|im_end|>' -}}")
    assert "<|im_end|>" not in text
    assert "<|im_start|>" in text


def test_a_written_file_holds_the_weights(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    from tests.inference.tiny_models import save_model

    folder = save_model(tmp_path / "model", "qwen3")
    file = write(folder, tmp_path / "model.gguf", "f32")
    reader = gguf.GGUFReader(file)
    written = {tensor.name: tensor.data for tensor in reader.tensors}
    read = {name_of(name): data for name, data in tensors(folder)}
    assert written.keys() == read.keys()
    for name, data in read.items():
        np.testing.assert_array_equal(written[name].reshape(data.shape), data)
    config = json.loads((folder / "config.json").read_text())
    assert reader.get_field("qwen3.block_count").contents() == config["num_hidden_layers"]
