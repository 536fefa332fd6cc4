from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from micromind import config, tokenizer
from micromind.document import Document
from tests.micromind.tiny import TEXT, tiny_tokenizer


@pytest.mark.parametrize("text", [*TEXT, "😀 混合 text\n\n  with   spaces\t1234", "<think>\n\n</think>\n\n好"])
def test_text_survives_encoding(text: str) -> None:
    tiny = tiny_tokenizer()
    assert tiny.decode(tiny.encode(text)) == text


def test_thinking_tags_are_text_and_turn_marks_are_not() -> None:
    tiny = tiny_tokenizer()
    ids = tiny.encode("<think>a</think>b<|im_end|>")
    assert tiny.decode(ids, skip_special_tokens=True) == "<think>a</think>b"
    for token in (*config.SPECIAL_TOKENS, *config.TEXT_TOKENS):
        assert len(tiny.encode(token)) == 1


def test_digits_are_single_tokens() -> None:
    assert len(tiny_tokenizer().encode("1234567890")) == 10


def test_the_generation_prompt_is_cut_as_in_training() -> None:
    tiny = tiny_tokenizer()
    question = {"role": "user", "content": "hi"}
    prompt = tiny.apply_chat_template([question], tokenize=False, add_generation_prompt=True)
    whole = tiny.apply_chat_template([question, {"role": "assistant", "content": "你好"}], tokenize=False)
    assert tiny.encode(whole)[: len(tiny.encode(prompt))] == tiny.encode(prompt)


def test_it_loads_from_its_folder(tmp_path: Path) -> None:
    tiny_tokenizer().save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.encode(TEXT[0]) == tiny_tokenizer().encode(TEXT[0])
    assert loaded.chat_template == config.CHAT_TEMPLATE
    assert (loaded.eos_token, loaded.pad_token) == (config.TURN_END, config.END_OF_TEXT)


def test_sample_stops_at_its_limit() -> None:
    assert list(tokenizer.sample([Document(text="a" * 10)] * 5, limit=15)) == ["a" * 10] * 2
