from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inference import quality
from inference.errors import CannotQuantize
from inference.quality import Quality, measure
from inference.quality_text import TEXT
from inference.runner import Native
from tests.inference.tiny_models import save_model


@pytest.mark.parametrize("bits", [8, 4])
def test_the_perplexity_is_that_of_the_model(
    compiled: Native, native_folder: Path, tiny_folder: Path, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "PIECE", 96)
    steps: list[str] = []
    found = measure(tiny_folder, bits, name="tiny", native=native_folder, progress=lambda step: steps.append(step.step))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32), AutoTokenizer.from_pretrained(tiny_folder)
    ids = tokenizer(TEXT, add_special_tokens=False).input_ids
    losses = []
    for start in range(0, len(ids), 96):
        piece = torch.tensor([ids[start : start + 96]])
        with torch.inference_mode():
            losses.append(torch.nn.functional.cross_entropy(model(piece).logits[0, :-1].float(), piece[0, 1:], reduction="none"))
    expected = torch.cat(losses)
    assert found.tokens == len(expected)
    assert math.isclose(found.whole, float(expected.mean().exp()), rel_tol=1e-3)
    assert 0.3 < found.agreement <= 1.0
    assert found.quantized != found.whole
    assert {"reading the text", "quantising", "reading the text again"} <= set(steps)


def test_8_bits_lose_less_than_4(compiled: Native, native_folder: Path, tiny_folder: Path) -> None:
    eight, four = (measure(tiny_folder, bits, name="tiny", native=native_folder) for bits in (8, 4))
    assert eight.agreement > four.agreement


def test_what_cannot_be_quantised_is_said(compiled: Native, native_folder: Path, tmp_path: Path) -> None:
    folder = save_model(tmp_path, "gpt2", num_attention_heads=4)
    with pytest.raises(CannotQuantize, match="other cannot be loaded in 8 bits: it is a gpt2"):
        measure(folder, 8, name="other", native=native_folder)


def test_in_words() -> None:
    assert Quality(1200, 20.0, 20.5, 0.987).lines(8) == (
        "In 8 bits, measured on 1,200 tokens of a fixed text: perplexity 20.50, +2.5 % (as it is: 20.00); "
        "the likeliest next token is the same in 98.7 %.",
    )
