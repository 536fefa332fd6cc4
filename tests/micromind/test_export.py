from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from micromind import config, export
from tests.micromind.tiny import tiny_model, tiny_tokenizer


def test_the_folder_is_complete(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path / "trained")
    tiny_tokenizer().save_pretrained(tmp_path / "trained")
    size = export.export(tmp_path / "trained", tmp_path / "out")
    assert 0 < size < 1_000_000
    assert (tmp_path / "out" / "model.safetensors").is_file()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.dtype == torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.chat_template == config.CHAT_TEMPLATE
    ends = GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id
    assert ends == tokenizer.convert_tokens_to_ids([config.TURN_END, config.END_OF_TEXT])
