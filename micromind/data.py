"""From files to training rows: reading, cleaning, mixing by weight, encoding, packing."""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from micromind import config, sources, synthetic
from micromind.document import Document, Message, exchange

OWN_FOLDER = Path(__file__).parent / "texts"
LONGEST_ANSWER = 700  # UTF-8 bytes; SFT drops chats with a longer one, so that the model learns to come to an end
IGNORED = -100  # the label that the loss skips, as everywhere in PyTorch


class DataError(Exception):
    """Something in a data file that its owner has to repair; the message says where."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that every stage has in common."""
    folder = os.environ.get("MICROMIND_DATA")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(folder) if folder else None,
        help="folder of the third-party sources (default: $MICROMIND_DATA; without either, only our own texts)",
    )
    parser.add_argument("--seed", type=int, default=1)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one file. Raises DataError, with file and line, where a line is no JSON object."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}, line {number}: not valid JSON ({error.msg} at column {error.colno}).") from error
            if not isinstance(record, dict):
                raise DataError(f"{path}, line {number}: expected a JSON object, got {type(record).__name__}.")
            yield record


def documents(path: Path, rng: random.Random) -> list[Document]:
    """All documents of one file, whichever of the known record forms it has."""
    found: list[Document] = []
    for record in read_jsonl(path):
        if "ask" in record:
            found.extend(_own_answers(record, rng))
        elif "messages" in record:
            found.append(_chat(record["messages"]))
        elif "instruction" in record:
            found.append(_identity(record))
        elif "en" in record and "zh" in record:
            found.append(_translation(record, rng))
        elif "text" in record:
            found.append(Document(text=clean(record["text"])))
        else:
            raise DataError(f"{path}: a record has none of the known keys (text, messages, ask, en and zh), only {sorted(record)}.")
    return [document for document in found if wanted(document)]


def _own_answers(record: dict[str, Any], rng: random.Random) -> Iterator[Document]:
    """`{"ask": [...], "answer": [...], "system"?, "think"?}`: every question once, worded freely, with one of the answers."""
    for question in record["ask"]:
        think = record["think"] if "think" in record and rng.random() < 0.25 else ""
        yield Document(
            messages=exchange(synthetic.reworded(question, rng), rng.choice(record["answer"]), think=think, system=record.get("system", ""))
        )


def _chat(messages: list[dict[str, str]]) -> Document:
    return Document(messages=tuple(_message(message) for message in messages))


def _message(message: dict[str, str]) -> Message:
    content = clean(message["content"])
    thought = re.fullmatch(r"<think>\n(.*)\n</think>\n<answer>\n(.*)\n</answer>", content, re.DOTALL)
    if thought:
        return Message(role=message["role"], content=thought[2], reasoning_content=thought[1])
    return Message(role=message["role"], content=content)


def _identity(record: dict[str, str]) -> Document:
    question, answer = f"{record['instruction']}\n{record['input']}".strip(), record["output"]
    chinese = re.search(r"[\u4e00-\u9fff]", answer)
    for hole, filling in (("{{name}}", "MicroMind"), ("{{author}}", "llmsite 项目" if chinese else "the llmsite project")):
        answer = answer.replace(hole, filling)
    return Document(messages=exchange(question, answer))


def _translation(pair: dict[str, str], rng: random.Random) -> Document:
    source, target, orders = rng.choice(
        [
            ("en", "zh", ("把这句话翻译成中文：{}", "翻译成中文：{}", "Translate into Chinese: {}")),
            ("zh", "en", ("把这句话翻译成英文：{}", "翻译成英语：{}", "Translate into English: {}")),
        ]
    )
    question = rng.choice(orders).format(pair[source])
    return Document(messages=exchange(question, pair[target]))


# --- cleaning --------------------------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Line ends and blank lines made uniform; our control tokens, if some text mentions them, taken out."""
    text = text.replace("\r\n", "\n").replace("\u3000", " ")
    text = re.sub(r"<\|(?:im_start|im_end|endoftext)\|>", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


# What other people's bots say about themselves must not become what ours says about itself.
_OTHER_BOT = re.compile(
    r"chatterbot|chat ?bot|聊天机器人|人工智能助手|我是一个?(?:程序|机器|软件|机器人|电脑)|语言模型|language model|artificial|A\.?L\.?I\.?C\.?E"
    r"|OpenAI|ChatGPT|GPT-?[34]|Open ?Assistant|LAION|my (?:botmaster|creator|brain|program)"
    r"|\bI(?: a|')m an? (?:robot|program|computer|software|machine|bot|AI)\b",
    re.IGNORECASE,
)


def wanted(document: Document) -> bool:
    """Whether a document is fit for training at all."""
    if not document.messages:
        return len(document.text) > 10
    if not all(message["content"].strip() for message in document.messages):
        return False
    # The chats that say MicroMind are ours and may speak of themselves.
    answers = [message["content"] for message in document.messages if message["role"] == "assistant"]
    return any("MicroMind" in answer or "llmsite" in answer for answer in answers) or not any(map(_OTHER_BOT.search, answers))


def short_answers(document: Document) -> bool:
    """Whether every answer is short enough for fine-tuning."""
    return all(len(message["content"].encode()) <= LONGEST_ANSWER for message in document.messages if message["role"] == "assistant")


# --- mixing ----------------------------------------------------------------------------------------------------------


def mixture(folder: Path | None, *, stage: str, seed: int) -> list[Document]:
    """All documents of a stage ("pretrain" or "sft"), each source as often as its weight says, shuffled."""
    rng = random.Random(seed)
    mixed: list[Document] = []
    for base, listed in ((folder, sources.THIRD_PARTY), (OWN_FOLDER, sources.OWN)):
        for source in listed if base else ():
            weight = source.pretrain if stage == "pretrain" else source.sft
            if weight:
                mixed.extend(_weighted(base / source.path, weight, rng, own=base is OWN_FOLDER))
            if source.unknown and stage == "sft":
                mixed.extend(map(synthetic.unknown(rng), _weighted(base / source.path, source.unknown, rng, own=False)))
    pretraining = stage == "pretrain"
    mixed.extend(synthetic.examples(sources.SYNTHETIC_PRETRAIN if pretraining else sources.SYNTHETIC_SFT, rng, copying=pretraining))
    if stage == "sft":
        mixed = [document for document in mixed if document.messages and short_answers(document)]
    rng.shuffle(mixed)
    return join_short(mixed, rng)


def _weighted(path: Path, weight: float, rng: random.Random, *, own: bool) -> Iterator[Document]:
    if not path.is_file():
        raise DataError(f"{path} is missing. Point --data (or MICROMIND_DATA) at the folder with the sources that micromind/sources.py lists.")
    whole, rest = divmod(weight, 1)
    once = documents(path, rng)
    for _ in range(int(whole)):
        yield from once
        if own:  # read again: other answers get drawn
            once = documents(path, rng)
    yield from rng.sample(once, round(rest * len(once)))


def join_short(mixed: list[Document], rng: random.Random) -> list[Document]:
    """Turn a part of the one-question chats into chats of two to four turns, so that answering a second question is learnt too."""
    singles = [d for d in mixed if len(d.messages) == 2 and len(d.messages[0]["content"]) + len(d.messages[1]["content"]) < 300]
    rng.shuffle(singles)
    single_ids = {id(document) for document in singles}
    joined = [document for document in mixed if id(document) not in single_ids]
    while singles:
        count = rng.choice((1, 1, 2, 3, 4))
        group, singles = singles[:count], singles[count:]
        joined.append(Document(messages=tuple(message for document in group for message in document.messages)))
    rng.shuffle(joined)
    return joined


# --- encoding and packing --------------------------------------------------------------------------------------------


def plain(document: Document) -> str:
    """A document as bare text, as the tokenizer learns from it."""
    return document.text or "\n".join(message["content"] for message in document.messages)


def render(document: Document, tokenizer: PreTrainedTokenizerBase) -> str:
    """A document exactly as the model sees it."""
    if not document.messages:
        return document.text
    return str(tokenizer.apply_chat_template([dict(message) for message in document.messages], tokenize=False)).rstrip("\n")


def encode(mixed: Iterable[Document], tokenizer: PreTrainedTokenizerBase, *, batch: int = 1000) -> Iterator[list[int]]:
    """Token ids of each document, closed by the end-of-text token."""
    end = tokenizer.convert_tokens_to_ids(config.END_OF_TEXT)
    texts: list[str] = []
    for document in mixed:
        texts.append(render(document, tokenizer))
        if len(texts) == batch:
            yield from ([*ids, end] for ids in tokenizer(texts, verbose=False)["input_ids"])
            texts = []
    if texts:
        yield from ([*ids, end] for ids in tokenizer(texts, verbose=False)["input_ids"])


def answer_labels(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Labels for one chat: its ids where the assistant speaks (closing token included), IGNORED elsewhere.

    An empty thinking block is part of the prompt, not of the answer; a full one is what the model has to say.
    """
    opening = tokenizer.encode(f"{config.TURN_START}assistant\n", add_special_tokens=False)
    empty = tokenizer.encode(config.EMPTY_THINKING, add_special_tokens=False)
    closing = tokenizer.convert_tokens_to_ids(config.TURN_END)
    labels, place = [IGNORED] * len(ids), 0
    while place < len(ids):
        if ids[place : place + len(opening)] != opening:
            place += 1
            continue
        place += len(opening)
        if ids[place : place + len(empty)] == empty:
            place += len(empty)
        while place < len(ids):
            labels[place] = ids[place]
            place += 1
            if ids[place - 1] == closing:
                break
    return labels


def pack_stream(encoded: Iterable[list[int]], length: int) -> np.ndarray:
    """Documents laid end to end and cut into rows: uint16 [rows, length]. The incomplete last row is dropped."""
    flat = np.fromiter((token for ids in encoded for token in ids), dtype=np.uint16)
    rows = len(flat) // length
    return flat[: rows * length].reshape(rows, length)


def pack_chats(encoded: Iterable[list[int]], tokenizer: PreTrainedTokenizerBase, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Chats put into rows without being cut: (ids, labels), int32 [rows, length], padded with end-of-text.

    A chat that is longer than a row is left out.
    """
    padding = tokenizer.convert_tokens_to_ids(config.END_OF_TEXT)
    rows: list[tuple[list[int], list[int]]] = [([], [])]
    for ids in encoded:
        if len(ids) > length:
            continue
        if len(rows[-1][0]) + len(ids) > length:
            rows.append(([], []))
        rows[-1][0].extend(ids)
        rows[-1][1].extend(answer_labels(ids, tokenizer))
    ids_table = np.full((len(rows), length), padding, dtype=np.int32)
    labels_table = np.full((len(rows), length), IGNORED, dtype=np.int32)
    for number, (ids, labels) in enumerate(rows):
        ids_table[number, : len(ids)] = ids
        labels_table[number, : len(labels)] = labels
    return ids_table, labels_table
