"""What the model learns from: sources.toml read into values, and our own texts.

A weight is how many times the whole of a source is read: 0.3 takes a random 30 % of its documents, 2.5 takes all of them
twice and a random half once more.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIST = Path(__file__).parent / "sources.toml"


@dataclass(frozen=True)
class Source:
    """One JSONL file below the data folder, with its weight in each stage."""

    path: str
    licence: str
    pretrain: float = 0.0
    sft: float = 0.0
    unknown: float = 0.0
    """Fine-tuning on its first questions, answered with "I don't know"."""
    dpo: float = 0.0
    reason: float = 0.0
    domain: str = ""
    """The LoRA domain that it teaches."""
    left_out: str = ""
    """Why no stage reads it."""
    sha256: str = ""
    bytes: int = 0
    records: int = 0

    def weight(self, stage: str) -> float:
        """Of the stage "pretrain", "sft", "dpo" or "reason", or of "lora:DOMAIN"."""
        if stage.startswith("lora:"):
            return float(bool(self.domain) and self.domain == stage.partition(":")[2])
        return float(getattr(self, stage))


@dataclass(frozen=True)
class Upstream:
    """A git repository that one or more files were made from."""

    name: str
    repository: str
    commit: str
    licence: str
    paths: str
    changes: str
    files: tuple[Source, ...]


@cache
def upstreams(file: Path = LIST) -> tuple[Upstream, ...]:
    """The list in its order. Raises KeyError and TypeError for a list that is not in form (its test reads it)."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    made = []
    for entry in table["upstream"]:
        files = tuple(Source(licence=entry["licence"], **record) for record in entry.pop("file"))
        made.append(Upstream(files=files, **entry))
    return tuple(made)


THIRD_PARTY = tuple(file for upstream in upstreams() for file in upstream.files)

# In this package's own texts/ folder; the licence is the project's.
OWN = (
    Source("product_zh.jsonl", "own", pretrain=8, sft=16),
    Source("product_en.jsonl", "own", pretrain=8, sft=16),
    Source("smalltalk.jsonl", "own", pretrain=6, sft=15),
    Source("refusals.jsonl", "own", pretrain=4, sft=16),
    Source("knowledge.jsonl", "own", pretrain=5, sft=16),
)

# Examples made by `micromind.synthetic`: how many, for each stage.
SYNTHETIC_PRETRAIN = 4_000
SYNTHETIC_SFT = 3_000
SYNTHETIC_REASON = 2_000
