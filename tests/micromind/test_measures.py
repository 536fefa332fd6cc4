from __future__ import annotations

import math

import pytest
import torch

from micromind import measures
from micromind.answering import Answer
from micromind.document import Document, exchange
from tests.micromind.tiny import TEXT, tiny_model, tiny_tokenizer


@pytest.mark.parametrize("text", ["好好好好好好好好好好好好好好", "我不知道。我不知道。我不知道。我不知道。", "and then and then and then and then"])
def test_loops_are_seen(text: str) -> None:
    assert measures.loops(text)


@pytest.mark.parametrize("text", ["哈哈哈，好的", "python manage.py models download NAME, python manage.py serve --model NAME", "1 + 1 = 2", ""])
def test_ordinary_text_is_no_loop(text: str) -> None:
    assert not measures.loops(text)


def test_distinct_counts_different_ngrams() -> None:
    assert measures.distinct(["a b a b"], 1) == 0.5
    assert measures.distinct(["a b a b"], 2) == pytest.approx(2 / 3)
    assert measures.distinct(["好好", "好"], 1) == pytest.approx(1 / 3)
    assert measures.distinct([""], 2) is None


def test_repetition_is_the_share_that_was_said_before() -> None:
    assert measures.repetition(["a b c d e"]) == 0
    assert measures.repetition(["a b c d a b c d"], 4) == pytest.approx(1 / 5)
    assert measures.repetition(["a b"]) is None


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("<think>\none\n</think>\n\n2", True),
        ("<think>\none", False),
        ("<think>one</think>", False),
        ("<think>a</think>b</think>c", False),
        ("</think>2", False),
    ],
)
def test_thinking_has_one_end_and_an_answer(text: str, closed: bool) -> None:
    assert measures.thinking_closed(text) is closed


def test_rates_are_shares_of_answers() -> None:
    rates = measures.format_rates([Answer("<think>a</think>b", True), Answer("", False)], thinking=True)
    assert rates == {"stopped": 0.5, "loops": 0.0, "empty": 0.5, "thinking closed": 0.5}


def test_a_network_that_knows_nothing_is_as_surprised_as_chance() -> None:
    """All logits equal: each of the 320 entries has the same probability, so the perplexity is their number."""
    model, tokenizer = tiny_model(), tiny_tokenizer()
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
    figures = measures.surprise(model, tokenizer, [Document(text=TEXT[0]), Document(messages=exchange("hi", "你好"))])
    assert figures["perplexity"] == pytest.approx(len(tokenizer), rel=1e-4)
    texts = [
        TEXT[0],
        tokenizer.apply_chat_template([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "你好"}], tokenize=False).rstrip(),
    ]
    size = sum(len(tokenizer.decode(tokenizer.encode(text)[1:]).encode()) for text in texts)
    assert figures["bits_per_byte"] == pytest.approx(figures["tokens"] * math.log2(len(tokenizer)) / size, rel=1e-4)
    assert measures.surprise(model, tokenizer, []) is None
