"""Both stages end to end, on a network of a few thousand parameters and our own texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from micromind import pretrain, sft, sources, training
from micromind.sources import Source
from tests.micromind.tiny import tiny_tokenizer

SMALL = ["--minutes", "0.03", "--batch", "2", "--length", "64", "--no-bf16", "--save-steps", "5"]
SHAPE = ["--hidden", "16", "--layers", "1", "--heads", "2", "--feed-forward", "32"]


@pytest.fixture(autouse=True)
def little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MICROMIND_DATA", raising=False)
    monkeypatch.setattr(sources, "OWN", (Source("knowledge.jsonl", "own", pretrain=1, sft=1),))
    monkeypatch.setattr(sources, "SYNTHETIC_PRETRAIN", 20)
    monkeypatch.setattr(sources, "SYNTHETIC_SFT", 20)


@pytest.fixture
def tokenizer_folder(tmp_path: Path) -> Path:
    tiny_tokenizer().save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def report(folder: Path) -> dict[str, float]:
    return json.loads((folder / "report.json").read_text())


def test_pretraining_then_fine_tuning(tmp_path: Path, tokenizer_folder: Path) -> None:
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    pretrain.main(["--tokenizer", str(tokenizer_folder), "--output", str(base), *SHAPE, *SMALL])
    sft.main(["--model", str(base), "--output", str(tuned), *SMALL])
    assert report(tuned)["steps"] > 0
    assert report(tuned)["tokens_seen"] == report(tuned)["steps"] * 2 * 64
    model = AutoModelForCausalLM.from_pretrained(tuned)
    assert model.config.use_cache
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_finished_run_started_again_does_not_start_over(tmp_path: Path, tokenizer_folder: Path) -> None:
    arguments = ["--tokenizer", str(tokenizer_folder), "--output", str(tmp_path / "base"), *SHAPE, *SMALL]
    pretrain.main(arguments)
    steps = report(tmp_path / "base")["steps"]
    pretrain.main(arguments)
    assert report(tmp_path / "base")["steps"] >= steps - 5


def test_rows_are_what_the_network_takes() -> None:
    row = training.Rows(np.array([[1, 2]], dtype=np.uint16))[0]
    assert row["input_ids"].dtype == row["labels"].dtype == torch.int64
