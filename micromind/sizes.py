"""The three sizes that every stage runs at, and what each stage does at each of them.

tiny: what the tests and a first try run, a minute or so a stage on two cores. small: the embedded model. base: for a GPU.
Rates follow MiniMind where it has the stage (see docs/training.md), raised for the smaller networks.
"""

from __future__ import annotations

from dataclasses import dataclass

STAGES = ("pretrain", "sft", "dpo", "lora", "reason", "grpo", "distill")


@dataclass(frozen=True)
class Plan:
    """How long and how fast one stage trains."""

    steps: int
    batch: int
    """Rows (pretrain, sft, lora, reason, distill), pairs (dpo) or answers (grpo) in one forward pass."""
    length: int
    """Tokens of a row, or of a whole conversation; for grpo of an answer."""
    rate: float
    """The highest learning rate; it falls to nothing over the steps."""
    accumulate: int = 1
    """Forward passes before one step of the optimizer."""


@dataclass(frozen=True)
class Size:
    """Shape of the network, size of its vocabulary, amount of data, and one plan for each stage."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    context: int
    characters: int
    """How much text the tokenizer learns from."""
    documents: int | None
    """So many documents of one file at most; None: all of them."""
    plans: dict[str, Plan]

    def shape(self) -> dict[str, int]:
        """What config.model_config takes."""
        return {name: getattr(self, name) for name in ("hidden", "layers", "heads", "kv_heads", "feed_forward", "context")}


SIZES = {
    "tiny": Size(
        hidden=128,
        layers=2,
        heads=4,
        kv_heads=2,
        feed_forward=384,
        vocabulary=2048,
        context=512,
        characters=1_000_000,
        documents=400,
        plans={
            "pretrain": Plan(steps=400, batch=8, length=256, rate=3e-3),
            "sft": Plan(steps=300, batch=8, length=256, rate=2e-3),
            "dpo": Plan(steps=40, batch=4, length=256, rate=1e-5),
            "lora": Plan(steps=60, batch=4, length=512, rate=2e-3),
            "reason": Plan(steps=150, batch=8, length=256, rate=1e-3),
            "grpo": Plan(steps=30, batch=8, length=48, rate=1e-4),
            "distill": Plan(steps=60, batch=4, length=256, rate=1e-3),
        },
    ),
    "small": Size(
        hidden=384,
        layers=4,
        heads=6,
        kv_heads=2,
        feed_forward=1024,
        vocabulary=6400,
        context=1024,
        characters=15_000_000,
        documents=None,
        plans={
            "pretrain": Plan(steps=5000, batch=4, length=512, rate=2e-3),
            "sft": Plan(steps=1000, batch=2, length=1024, rate=7e-4),
            "dpo": Plan(steps=100, batch=4, length=512, rate=1e-5),
            "lora": Plan(steps=400, batch=4, length=1024, rate=1e-3),
            "reason": Plan(steps=800, batch=4, length=512, rate=2e-4),
            "grpo": Plan(steps=200, batch=16, length=96, rate=1e-5),
            "distill": Plan(steps=1000, batch=4, length=512, rate=3e-4),
        },
    ),
    "base": Size(
        hidden=768,
        layers=8,
        heads=12,
        kv_heads=4,
        feed_forward=2048,
        vocabulary=6400,
        context=2048,
        characters=60_000_000,
        documents=None,
        plans={
            "pretrain": Plan(steps=8000, batch=64, length=512, rate=1e-3),
            "sft": Plan(steps=4000, batch=32, length=1024, rate=2e-4),
            "dpo": Plan(steps=500, batch=16, length=1024, rate=2e-7),
            "lora": Plan(steps=1000, batch=16, length=1024, rate=1e-4),
            "reason": Plan(steps=2000, batch=32, length=1024, rate=2e-5),
            "grpo": Plan(steps=500, batch=96, length=256, rate=1e-6),
            "distill": Plan(steps=2000, batch=32, length=1024, rate=1e-4),
        },
    ),
}
