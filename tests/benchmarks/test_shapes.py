"""A model for comparing speeds must say as many tokens as it is asked for, and the same ones again when it reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import EMBEDDED
from benchmarks.roofline import matrix_weights
from benchmarks.shapes import endless, first_word, half_b, is_endless, word_tokenizer, words

SMALL = {"vocab_size": 1500, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return half_b(tmp_path_factory.mktemp("half-b"), **SMALL)


def greedy(folder: Path, tokens: int) -> tuple[Any, list[int]]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "a river"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    said = model.generate(**prompt, max_new_tokens=tokens, do_sample=False)
    return tokenizer, said[0][prompt["input_ids"].shape[1] :].tolist()


def test_words_are_all_different() -> None:
    assert words(3) == ["a", "b", "c"]
    assert words(28)[25:] == ["z", "aa", "ab"]
    assert len(set(words(20_000))) == 20_000


def test_every_word_is_one_token() -> None:
    tokenizer = word_tokenizer(1500)
    assert len(tokenizer) == 1500
    assert tokenizer(" a zz river")["input_ids"][:2] == [first_word(), first_word() + 26 + 26 * 26 - 1]


def test_a_random_model_never_ends_and_reads_what_it_says_as_it_said_it(small: Path) -> None:
    tokenizer, said = greedy(small, 40)
    assert len(said) == 40
    assert min(said) >= first_word()
    assert tokenizer(tokenizer.decode(said))["input_ids"] == said


def test_the_embedded_model_goes_on_behind_its_end(tmp_path: Path) -> None:
    assert not is_endless(EMBEDDED)
    folder = endless(EMBEDDED, tmp_path / "micromind")
    assert is_endless(folder)
    _, said = greedy(folder, 60)
    assert len(said) == 60


def test_a_random_model_is_endless(small: Path) -> None:
    assert is_endless(small)


def test_the_head_is_read_for_each_token_and_the_embedding_is_not(tmp_path: Path, small: Path) -> None:
    hidden, inner, vocabulary = 64, 96, 1500
    layers = 2 * (2 * hidden * hidden + 2 * hidden * hidden // 2 + 3 * hidden * inner)
    assert matrix_weights(small) == layers + vocabulary * hidden  # here the embedding is the head
    assert matrix_weights(half_b(tmp_path, **SMALL, tie_word_embeddings=False)) == layers + vocabulary * hidden
