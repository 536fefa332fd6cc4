"""Finished stages in the forms that others read (requires: requirements-train.txt)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from micromind import config, export, folders
from micromind.problems import StageError
from tests.micromind.tiny import TEXT, model_folder


def test_the_folder_is_complete(tmp_path: Path) -> None:
    folders.write_record(model_folder(tmp_path / "trained"), {"stage": "sft"})
    size = export.export(tmp_path / "trained", tmp_path / "out")
    assert 0 < size < 1_000_000
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert folders.read_record(tmp_path / "out") == {"stage": "sft"}
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.chat_template == config.CHAT_TEMPLATE
    ends = GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id
    assert ends == tokenizer.convert_tokens_to_ids([config.TURN_END, config.END_OF_TEXT])


@pytest.mark.filterwarnings("default")
def test_onnx_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    assert export.to_onnx(model_folder(tmp_path / "trained"), tmp_path / "model.onnx") < 1e-4


@pytest.mark.filterwarnings("default")
def test_gguf_says_the_same(tmp_path: Path) -> None:
    """Read back by transformers' own reader of GGUF."""
    pytest.importorskip("gguf")
    folder = model_folder(tmp_path / "trained", hidden=32)
    export.to_gguf(folder, tmp_path / "model.gguf")
    before = AutoModelForCausalLM.from_pretrained(folder)
    # With the network's own config: this reader does not take the width of a head from the file, llama.cpp does.
    after = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", config=before.config)
    tokenizer, read = AutoTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    for text in TEXT:
        assert read.encode(text, add_special_tokens=False) == tokenizer.encode(text, add_special_tokens=False)
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        assert torch.allclose(before(ids).logits, after(ids).logits.float(), atol=2e-3)
    assert read.chat_template == config.CHAT_TEMPLATE
    assert read.eos_token == config.TURN_END


def test_another_network_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    folder = model_folder(tmp_path / "trained")
    file = folder / "config.json"
    file.write_text(file.read_text().replace('"qwen3"', '"qwen2"').replace("Qwen3ForCausalLM", "Qwen2ForCausalLM"))
    with pytest.raises(StageError, match="knows Qwen3 networks"):
        export.to_gguf(folder, tmp_path / "model.gguf")
