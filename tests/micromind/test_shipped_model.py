"""The model that comes with the project: it loads without remote code, ends its answers, and knows what it is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from micromind import config, dialogues
from micromind.answering import LocalAnswerer
from micromind.dialogues import Dialogue
from micromind.measures import loops

FOLDER = Path(__file__).parents[2] / "models" / "micromind"


@cache
def shipped() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype="float32"), AutoTokenizer.from_pretrained(FOLDER)


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 60_000_000


def test_tokenizer_and_network_agree() -> None:
    model, tokenizer = shipped()
    assert model.config.vocab_size == len(tokenizer) == config.VOCABULARY
    assert model.config.max_position_embeddings == tokenizer.model_max_length == config.CONTEXT
    assert tokenizer.chat_template == config.CHAT_TEMPLATE
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids([config.TURN_END, config.END_OF_TEXT])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("你好", "你好"),
        ("Hello", "Hello|Hi"),
        ("你是谁？", "MicroMind"),
        ("Who are you?", "MicroMind"),
        ("手机怎么连接？", "Wi-Fi"),
        ("How do I use a bigger model?", "models download"),
    ],
)
def test_it_answers_what_the_product_needs(question: str, expected: str) -> None:
    dialogue = Dialogue("check", [question], expect=expected)
    dialogues.ask(LocalAnswerer(*shipped()), [dialogue], do_sample=False, temperature=None, top_p=None, top_k=None)
    assert dialogue.right, dialogue.answers
    assert dialogue.stopped == [True]
    assert not loops(dialogue.answers[0])
