"""How one answer's tokens are chosen, checked and complete: what the sampler takes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from inference.types import Sampling

COLDEST = 1e-3
"""Below this a temperature would only overflow: it is greedy."""


@dataclass(slots=True)
class SamplerSettings:
    temperature: float = 1.0
    """0 is greedy."""
    top_k: int = 0
    """0 keeps all tokens."""
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0
    random: random.Random = field(init=False)
    """One number is drawn from it for each token, so the same seed chooses the same tokens, on any device."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @classmethod
    def of(cls, sampling: Sampling) -> SamplerSettings:
        """From a resolved Sampling; out-of-range values are taken to the nearest that makes sense (the chat has refused them before)."""
        temperature = sampling.temperature if sampling.temperature is not None else 1.0
        return cls(
            temperature=0.0 if temperature < COLDEST else temperature,
            top_k=max(0, sampling.top_k or 0),
            top_p=min(1.0, max(0.0, sampling.top_p if sampling.top_p is not None else 1.0)),
            min_p=min(1.0, max(0.0, sampling.min_p or 0.0)),
            repetition_penalty=sampling.repetition_penalty if sampling.repetition_penalty and sampling.repetition_penalty > 0 else 1.0,
            seed=sampling.seed or 0,
        )

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0

    @property
    def ranked(self) -> bool:
        """Must the likeliest tokens be put in order?"""
        return not self.greedy and (self.top_k > 0 or self.top_p < 1.0)
