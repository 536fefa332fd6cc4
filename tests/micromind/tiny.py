"""A tokenizer, a network of a few thousand parameters and a data folder, made in a second."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from micromind import config, folders, tokenizer
from micromind.sources import Source

TEXT = ("你好！我是 MicroMind，很高兴认识你。", "Hello! I am MicroMind. How are you today?", "1 + 1 = 2", "请用手机扫二维码。")
SOURCES = (
    Source("prose/texts.jsonl", "own", pretrain=1),
    Source("chats/chats.jsonl", "own", pretrain=1, sft=1),
    Source("pairs/dpo.jsonl", "own", dpo=1),
    Source("sums/reason.jsonl", "own", reason=1),
    Source("recipes/recipes.jsonl", "own", domain="cooking"),
)


@cache
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    return tokenizer.train(TEXT * 4, vocabulary=320)


def tiny_model(hidden: int = 16) -> Qwen3ForCausalLM:
    made = tiny_tokenizer()
    shape = {"hidden": hidden, "layers": 1, "heads": 2, "kv_heads": 1, "feed_forward": 2 * hidden, "context": 256}
    return Qwen3ForCausalLM(config.model_config(vocabulary=len(made), pad_id=made.pad_token_id, eos_id=made.eos_token_id, **shape))


def model_folder(folder: Path, hidden: int = 16) -> Path:
    """A finished stage's folder, of random weights."""
    folder.mkdir(parents=True)
    folders.publish(folder, tiny_model(hidden), tiny_tokenizer())
    return folder


def write_lines(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def data_folder(folder: Path) -> Path:
    """A data folder with one source of each kind (SOURCES), each record unlike the others."""
    said = (
        "red apples on a table",
        "the sea at night",
        "一只猫在睡觉",
        "今天下雨了",
        "two birds and a tree",
        "山上的雪",
        "a train to the north",
        "月亮和星星",
    )
    subjects = [f"{one}, {other}, {number * 37}" for number, (one, other) in enumerate((a, b) for a in said for b in said if a != b)]
    write_lines(folder / "prose/texts.jsonl", *({"text": f"{subject[::-1]}. {subject[5::-1]}"} for subject in subjects))
    write_lines(folder / "chats/chats.jsonl", *({"messages": _chat(subject, "好")} for subject in subjects))
    write_lines(folder / "pairs/dpo.jsonl", *({"chosen": _chat(subject, "好"), "rejected": _chat(subject, "no")} for subject in subjects))
    thought = "<think>\n1 + 1\n</think>\n<answer>\n2\n</answer>"
    write_lines(folder / "sums/reason.jsonl", *({"messages": _chat(f"1+1, {subject[::-1]}?", thought), "answer": "2"} for subject in subjects))
    write_lines(
        folder / "recipes/recipes.jsonl", *({"text": f"# {subject.replace(chr(32), chr(45))}的做法\n切。\n## 步骤\n煮。"} for subject in subjects)
    )
    return folder


def _chat(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
