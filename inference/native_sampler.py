"""The sampler in C (native/sampler.c), for logits in this computer's memory. The same choices as `Sampler` in sampler.py, in one call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_double, c_float, c_int32, c_void_p
from typing import Any

import torch
from torch import Tensor

from inference.scheduler import Run


class Settings(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("temperature", "top_p", "min_p", "penalty", "top_k", "seen")]


class NativeSampler:
    """Not thread-safe: the decode loop owns it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._runs: list[Run] = []
        self._settings = Settings()
        self._arrays: list[Any] = []
        self._seen: dict[Run, Tensor] = {}
        """uint8 [vocabulary] of each run with a penalty: 1 for each token of its prompt and its answer."""

    def sample(self, runs: Sequence[Run], logits: Tensor) -> list[int]:
        """One token for each run, or NOT_A_NUMBER. `logits`: [runs, vocabulary], float32; they are overwritten."""
        if self._runs != list(runs):
            self._begin(list(runs), logits.shape[1])
        count = len(self._runs)
        numbers = (c_double * count)(*(0.0 if run.settings.greedy else run.settings.random.random() for run in self._runs))
        tokens = (c_int32 * count)()
        if self._library.llmsite_sample(count, logits.shape[1], logits.data_ptr(), ctypes.byref(self._settings), numbers, tokens):
            raise MemoryError("the sampler in C found no memory")
        return list(tokens)

    def _begin(self, runs: list[Run], vocabulary: int) -> None:
        self._seen = {run: self._seen[run] if run in self._seen else _seen(run, vocabulary) for run in runs if run.settings.repetition_penalty != 1.0}
        settings, floats, count = [run.settings for run in runs], c_float * len(runs), len(runs)
        seen = [self._seen[run].data_ptr() if run in self._seen else None for run in runs]
        self._arrays = [
            floats(*(s.temperature for s in settings)),
            floats(*(s.top_p for s in settings)),
            floats(*(s.min_p for s in settings)),
            floats(*(s.repetition_penalty for s in settings)),
            (c_int32 * count)(*(s.top_k for s in settings)),
            (c_void_p * count)(*seen),
        ]
        self._settings = Settings(*(ctypes.addressof(array) for array in self._arrays))
        self._runs = runs

    def forget(self) -> None:
        self._runs, self._seen = [], {}


def _seen(run: Run, vocabulary: int) -> Tensor:
    seen = torch.zeros(vocabulary, dtype=torch.uint8)
    seen[torch.tensor(run.ids + run.output)] = 1
    return seen
