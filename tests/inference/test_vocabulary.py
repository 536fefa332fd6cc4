from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from inference.errors import BrokenModel
from inference.vocabulary import Vocabulary
from tests.inference.tiny_models import CHATML, SPECIAL, TAGS, make_tokenizer


def test_knows_the_special_tokens() -> None:
    words = Vocabulary(make_tokenizer(), path="tiny", eos_ids=[0])
    assert words.eos_ids == {0, 2}
    assert words.hidden_ids == {0, 1, 2}
    assert set(words.guarded) == {*SPECIAL, *TAGS}
    assert words.template_hash == hashlib.sha256(CHATML.encode()).hexdigest()


def test_think_tags_are_seen_even_where_they_are_special() -> None:
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    words = Vocabulary(tokenizer, path="tiny")
    assert not set(words.encode("<think></think>")) & words.hidden_ids


def test_special_tokens_in_text_become_ids_and_come_back() -> None:
    words = Vocabulary(make_tokenizer(), path="tiny")
    ids = words.encode("<|im_start|>user\n你好")
    assert ids[0] == 1
    assert words.decode(ids) == "<|im_start|>user\n你好"
    assert words.encode("") == []


def test_truncation_and_padding_of_the_training_are_switched_off() -> None:
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    text = "one two three four five six"
    assert Vocabulary(tokenizer, path="tiny").encode(text) == Vocabulary(make_tokenizer(), path="tiny").encode(text)


def test_many_threads_may_encode_at_once() -> None:
    words = Vocabulary(make_tokenizer(), path="tiny")
    text = "Hello, 世界! " * 200
    expected = words.encode(text)
    with ThreadPoolExecutor(8) as pool:
        assert all(ids == expected for ids in pool.map(words.encode, [text] * 64))


def test_a_model_without_a_chat_template_is_refused() -> None:
    with pytest.raises(BrokenModel, match="no chat template"):
        Vocabulary(make_tokenizer(None), path="base")
