"""Encoders made on the spot, laid out as sentence-transformers does."""

from __future__ import annotations

import json
from pathlib import Path

from tests.inference.tiny_models import make_tokenizer

WIDTH = 32
LONGEST = 48


def make_encoder(folder: Path, *, pooling: str = "", normalize: bool = True, seed: int = 0) -> Path:
    """A BERT with random weights. `pooling`: the name in 1_Pooling/config.json; without one there is no modules.json."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=LONGEST,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if pooling:
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *([("2_Normalize", "Normalize")] if normalize else [])]
        listed = [{"idx": i, "path": path, "type": f"sentence_transformers.models.{kind}"} for i, (path, kind) in enumerate(modules)]
        (folder / "modules.json").write_text(json.dumps(listed), encoding="utf-8")
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": WIDTH, pooling: True}), encoding="utf-8")
    return folder
