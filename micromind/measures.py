"""What can be counted about a model without a judge."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from micromind import config, data
from micromind.answering import Answer
from micromind.document import Document

# Twelve times the same one to three characters, or three times the same longer piece ("哈哈哈" is no loop).
_LOOP = re.compile(r"(.{1,3}?)\1{11,}|(.{4,80}?)\2{2,}", re.DOTALL)


def loops(text: str) -> bool:
    """Whether the text repeats itself over and over."""
    return _LOOP.search(text) is not None


def words(text: str) -> list[str]:
    """Chinese characters one by one, other words whole."""
    return re.findall(r"[\u4e00-\u9fff]|\w+", text.lower())


def distinct(texts: Iterable[str], n: int) -> float | None:
    """Different n-grams of words divided by all of them, over all texts (Li et al. 2016). None where there are none."""
    grams = [gram for text in texts for gram in ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else None


def repetition(texts: Iterable[str], n: int = 4) -> float | None:
    """The mean share of a text's n-grams that stood in it before. None where no text is that long."""
    shares = []
    for text in texts:
        grams = ngrams(words(text), n)
        if grams:
            shares.append(1 - len(set(grams)) / len(grams))
    return sum(shares) / len(shares) if shares else None


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[place : place + n]) for place in range(len(tokens) - n + 1)]


def thinking_closed(text: str) -> bool:
    """One thinking block, closed, with an answer after it."""
    before, closing, after = text.partition(config.THINK_END)
    return bool(closing) and config.THINK_END not in after and config.THINK_START not in after and bool(after.strip()) and bool(before.strip())


def format_rates(answers: Sequence[Answer], *, thinking: bool) -> dict[str, float]:
    """Shares of answers: stopped by itself, in a loop, empty; with thinking: block closed."""
    count = max(1, len(answers))
    rates = {
        "stopped": sum(answer.ended for answer in answers) / count,
        "loops": sum(loops(answer.text) for answer in answers) / count,
        "empty": sum(not answer.text.strip() for answer in answers) / count,
    }
    if thinking:
        rates["thinking closed"] = sum(thinking_closed(answer.text) for answer in answers) / count
    return rates


@torch.inference_mode()
def surprise(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], *, batch: int = 8) -> dict[str, float] | None:
    """How well the model foresees texts: perplexity per token, and bits per byte, which compares across tokenizers.

    Conversations are taken as the chat template renders them. A text is cut at the model's context; its first token is not counted.
    None without documents.
    """
    rows = sorted((data.render(document, tokenizer) for document in documents), key=len)  # of one batch about as long: little padding
    bits = tokens = size = 0.0
    length = min(model.config.max_position_embeddings, 1024)
    for start in range(0, len(rows), batch):
        texts = rows[start : start + batch]
        inputs = tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="right", truncation=True, max_length=length, return_token_type_ids=False
        )
        ids, mask = inputs["input_ids"].to(model.device), inputs["attention_mask"].to(model.device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(len(texts), -1)
        bits += float((losses * mask[:, 1:]).sum()) / math.log(2)
        tokens += float(mask[:, 1:].sum())
        for row, seen in zip(ids, mask, strict=True):
            size += len(tokenizer.decode(row[seen.bool()][1:]).encode())
    if not tokens:
        return None
    return {"perplexity": 2 ** (bits / tokens), "bits_per_byte": bits / max(1.0, size), "tokens": tokens}


def sums_right(answers: Sequence[Answer], results: Sequence[str], last_number: Any) -> float:
    """The share whose last number is the result."""
    return sum(last_number(answer.text) == result for answer, result in zip(answers, results, strict=True)) / max(1, len(results))
