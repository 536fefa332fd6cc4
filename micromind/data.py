"""From files to training rows: reading, cleaning, mixing by weight, encoding."""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from micromind import config, sources, synthetic
from micromind.document import Document, Message, exchange
from micromind.duplicates import normalised
from micromind.problems import StageError

OWN_FOLDER = Path(__file__).parent / "texts"
LONGEST_ANSWER = 700  # UTF-8 bytes; SFT drops chats with a longer one, so that the model learns to come to an end


class DataError(StageError):
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


def missing(path: Path) -> DataError:
    return DataError(f"{path} is missing. Point --data (or MICROMIND_DATA) at the folder with the sources that micromind/sources.toml lists.")


# --- reading ---------------------------------------------------------------------------------------------------------


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one file. Raises DataError, with file and line, where a line is no JSON object."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}, line {number}: not valid JSON ({error.msg} at column {error.colno}).") from error
            except UnicodeDecodeError as error:
                raise DataError(f"{path}, line {number}: not UTF-8 (byte {error.start}).") from error
            if not isinstance(record, dict):
                raise DataError(f"{path}, line {number}: expected a JSON object, got {type(record).__name__}.")
            yield record


def documents(path: Path, rng: random.Random) -> list[Document]:
    """All documents of one file, whichever of the known record forms it has."""
    return [document for record in read_jsonl(path) for document in documents_of(record, path, rng)]


def documents_of(record: dict[str, Any], path: Path, rng: random.Random) -> list[Document]:
    """The documents of one record that are fit for training. Raises DataError for a record of no known form."""
    try:
        if "ask" in record:
            found = list(_own_answers(record, rng))
        elif "messages" in record:
            found = [chat(record["messages"])]
        elif "instruction" in record:
            found = [_identity(record)]
        elif "en" in record and "zh" in record:
            found = [_translation(record, rng)]
        elif "text" in record:
            found = [Document(text=clean(record["text"]))]
        else:
            raise DataError(f"{path}: a record has none of the known keys (text, messages, ask, en and zh), only {sorted(record)}.")
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: a record with the keys {sorted(record)} is not in form ({type(error).__name__}: {error}).") from error
    return [document for document in found if wanted(document)]


def _own_answers(record: dict[str, Any], rng: random.Random) -> Iterator[Document]:
    """`{"ask": [...], "answer": [...], "system"?, "think"?}`: every question once, worded freely, with one of the answers."""
    for question in record["ask"]:
        think = record["think"] if "think" in record and rng.random() < 0.25 else ""
        yield Document(
            messages=exchange(synthetic.reworded(question, rng), rng.choice(record["answer"]), think=think, system=record.get("system", ""))
        )


def chat(messages: list[dict[str, str]]) -> Document:
    """A conversation, its texts cleaned."""
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


def mixture(
    folder: Path | None, *, stage: str, seed: int, limit: int | None = None, weights: Mapping[str, float] = MappingProxyType({})
) -> list[Document]:
    """All documents of a stage ("pretrain", "sft", "reason", "lora:DOMAIN"), each source as often as its weight says, shuffled.

    Args:
        folder: a prepared data folder (prepare.py), of which only `train` is read; None: our own texts alone.
        limit: so many documents of a source at most.
        weights: by a source's path, in place of the list's.
    """
    rng = random.Random(seed)
    mixed: list[Document] = []
    own_too = stage in ("pretrain", "sft")
    for base, listed in ((folder and folder / "train", sources.THIRD_PARTY), (OWN_FOLDER if own_too else None, sources.OWN)):
        for source in listed if base else ():
            if weight := weights.get(source.path, source.weight(stage)):
                mixed.extend(_weighted(base / source.path, weight, rng, own=base is OWN_FOLDER, limit=limit))
            if source.unknown and stage == "sft":
                asked = _weighted(base / source.path, source.unknown, rng, own=False, limit=limit)
                mixed.extend(map(synthetic.unknown(rng), filter(_no_answer_of_ours(), asked)))
    made = {"pretrain": sources.SYNTHETIC_PRETRAIN, "sft": sources.SYNTHETIC_SFT}.get(stage, 0)
    mixed.extend(synthetic.examples(min(made, limit or made), rng, copying=stage == "pretrain"))
    if stage == "reason":
        mixed.extend(synthetic.reasoned_sums(min(sources.SYNTHETIC_REASON, limit or sources.SYNTHETIC_REASON), rng))
    if stage == "sft":
        mixed = [document for document in mixed if document.messages and short_answers(document)]
    rng.shuffle(mixed)
    return join_short(mixed, rng) if own_too else mixed


def own_questions() -> set[str]:
    """All questions of our own texts."""
    files = (OWN_FOLDER / source.path for source in sources.OWN)
    return {question for file in files for record in read_jsonl(file) for question in record.get("ask", ())}


def _no_answer_of_ours() -> Callable[[Document], bool]:
    """Whether nothing in our own texts answers a conversation's first question. In the world's sets, too, people greet first: a network that was
    taught to answer 你好 with "I don't know" some twenty times did so.
    """
    known = set(map(normalised, own_questions()))

    def unanswered(document: Document) -> bool:
        return normalised(next(message["content"] for message in document.messages if message["role"] == "user")) not in known

    return unanswered


def _weighted(path: Path, weight: float, rng: random.Random, *, own: bool, limit: int | None) -> Iterator[Document]:
    if not path.is_file():
        raise missing(path)
    whole, rest = divmod(weight, 1)
    once = _read(path, rng, limit)
    for _ in range(int(whole)):
        yield from once
        if own:  # read again: other answers get drawn
            once = _read(path, rng, limit)
    yield from rng.sample(once, round(rest * len(once)))


def _read(path: Path, rng: random.Random, limit: int | None) -> list[Document]:
    found = documents(path, rng)
    return found if limit is None or len(found) <= limit else rng.sample(found, limit)


def read_from(folder: Path | None, stage: str, weights: Mapping[str, float] = MappingProxyType({})) -> dict[str, float]:
    """The files that a stage reads, with their weights: for its record."""
    own = {f"micromind/texts/{source.path}": source.weight(stage) for source in sources.OWN} if stage in ("pretrain", "sft") else {}
    third = {source.path: source.weight(stage) or source.unknown * (stage == "sft") for source in sources.THIRD_PARTY} if folder else {}
    return {name: weight for name, weight in (third | own | dict(weights)).items() if weight}


def preferences(folder: Path | None, *, seed: int, limit: int | None = None) -> list[dict[str, list[Message]]]:
    """Pairs of a better and a worse answer to the same question: {"prompt", "chosen", "rejected"} as trl takes them."""
    rng = random.Random(seed)
    found = []
    for source in sources.THIRD_PARTY if folder else ():
        if not source.dpo:
            continue
        path = folder / "train" / source.path
        if not path.is_file():
            raise missing(path)
        pairs = [pair for record in read_jsonl(path) if (pair := preference(record, path))]
        found.extend(pairs if limit is None or len(pairs) <= limit else rng.sample(pairs, limit))
    rng.shuffle(found)
    return found


def preference(record: dict[str, Any], path: Path) -> dict[str, list[Message]] | None:
    """One pair; None where the two do not share their question. Raises DataError for a record of another form."""
    try:
        chosen, rejected = (list(chat(record[side]).messages) for side in ("chosen", "rejected"))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: expected records with `chosen` and `rejected` messages, got the keys {sorted(record)}.") from error
    if not chosen or not rejected or chosen[:-1] != rejected[:-1] or chosen[-1]["role"] != "assistant":
        return None
    return {"prompt": chosen[:-1], "chosen": chosen[-1:], "rejected": rejected[-1:]}


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


# --- encoding --------------------------------------------------------------------------------------------------------


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


def pack_stream(encoded: Iterable[list[int]], length: int) -> np.ndarray:
    """Documents laid end to end and cut into rows: uint16 [rows, length]. The incomplete last row is dropped."""
    flat = np.fromiter((token for ids in encoded for token in ids), dtype=np.uint16)
    rows = len(flat) // length
    return flat[: rows * length].reshape(rows, length)
