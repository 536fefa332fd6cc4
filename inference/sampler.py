"""Chooses the next token of many answers at once, each by its own settings.

The order is that of transformers' `generate`: repetition penalty, temperature, top-k, top-p (over what top-k left), min-p. A draw takes one number in
[0, 1) from the run's own generator and looks it up in the cumulative probabilities, likeliest first where they are ranked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.scheduler import Run

CANDIDATES = 128
"""Sorting a vocabulary of 150,000 costs more than the model of a small step, so top-p alone looks at so many first, and at more when needed."""
NOT_A_NUMBER = -1
"""In place of a token where the model's numbers are not finite."""


@dataclass(slots=True)
class _Batch:
    """The settings of one set of runs as tensors of shape [rows, 1], kept until the set changes."""

    runs: list[Run]
    greedy: list[int]
    ranked: list[int]
    plain: list[int]
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor
    penalty: Tensor | None
    seen: Tensor | None
    """[rows, vocabulary], True for each token of the prompt or the answer so far; only where a penalty is asked for."""


class Sampler:
    """Not thread-safe: the decode loop owns it."""

    def __init__(self) -> None:
        self._batch: _Batch | None = None

    def sample(self, runs: Sequence[Run], logits: Tensor) -> list[int]:
        """One token for each run, or NOT_A_NUMBER. `logits`: [runs, vocabulary], of any float type."""
        batch = self._batch
        if batch is None or batch.runs != list(runs):
            batch = self._batch = _batch(list(runs), logits)
        logits = logits.float()
        if batch.penalty is not None and batch.seen is not None:
            scaled = torch.where(logits > 0, logits / batch.penalty, logits * batch.penalty)
            logits = torch.where(batch.seen, scaled, logits)
        tokens = [NOT_A_NUMBER] * len(batch.runs)
        for rows, choose in ((batch.greedy, _greedy), (batch.ranked, _ranked), (batch.plain, _plain)):
            if rows:
                some = logits if len(rows) == len(tokens) else logits[rows]
                for row, token in zip(rows, choose(some, batch, rows), strict=True):
                    tokens[row] = token
        if batch.seen is not None:
            batch.seen[torch.arange(len(tokens), device=logits.device), torch.tensor(tokens, device=logits.device).clamp_(0)] = True
        return tokens

    def forget(self) -> None:
        self._batch = None


def _batch(runs: list[Run], logits: Tensor) -> _Batch:
    settings = [run.settings for run in runs]
    device = logits.device

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device).unsqueeze(1)

    penalised = any(s.repetition_penalty != 1.0 for s in settings)
    return _Batch(
        runs=runs,
        greedy=[i for i, s in enumerate(settings) if s.greedy],
        ranked=[i for i, s in enumerate(settings) if s.ranked],
        plain=[i for i, s in enumerate(settings) if not s.greedy and not s.ranked],
        temperature=column([s.temperature for s in settings]),
        top_k=torch.tensor([s.top_k for s in settings], device=device).unsqueeze(1),
        top_p=column([s.top_p for s in settings]),
        min_p=column([s.min_p for s in settings]),
        penalty=column([s.repetition_penalty for s in settings]) if penalised else None,
        seen=_seen(runs, logits) if penalised else None,
    )


def _seen(runs: list[Run], logits: Tensor) -> Tensor:
    seen = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
    for row, run in enumerate(runs):
        seen[row, torch.tensor(run.ids + run.output, device=logits.device)] = True
    return seen


def _greedy(logits: Tensor, batch: _Batch, rows: list[int]) -> list[int]:
    best, tokens = logits.max(dim=-1)
    return [token if finite else NOT_A_NUMBER for token, finite in zip(tokens.tolist(), best.isfinite().tolist(), strict=True)]


def _plain(logits: Tensor, batch: _Batch, rows: list[int]) -> list[int]:
    """Temperature and min-p only: no order is needed."""
    probabilities = torch.softmax(logits / batch.temperature[rows], dim=-1)
    floor = batch.min_p[rows] * probabilities.amax(dim=-1, keepdim=True)
    return _draw(torch.where(probabilities >= floor, probabilities, 0.0), batch, rows)


def _ranked(logits: Tensor, batch: _Batch, rows: list[int]) -> list[int]:
    """Top-k and top-p, likeliest first."""
    vocabulary = logits.shape[-1]
    top_k = batch.top_k[rows]
    count = min(vocabulary, max(int(k) if k > 0 else CANDIDATES for k in top_k[:, 0].tolist()))
    kept, order, cut_short = _candidates(logits, batch, rows, count)
    while cut_short and count < vocabulary:
        count = min(vocabulary, count * 16)
        kept, order, cut_short = _candidates(logits, batch, rows, count)
    positions = _draw(kept, batch, rows)
    index = torch.tensor(positions, device=order.device).clamp_(0).unsqueeze(1)
    return [t if p >= 0 else NOT_A_NUMBER for t, p in zip(order.gather(1, index)[:, 0].tolist(), positions, strict=True)]


def _candidates(logits: Tensor, batch: _Batch, rows: list[int], count: int) -> tuple[Tensor, Tensor, bool]:
    """The `count` likeliest tokens: (probabilities with those not allowed at 0, their ids, whether a row needs more of them than `count`)."""
    top_k, temperature = batch.top_k[rows], batch.temperature[rows]
    values, order = logits.topk(count, dim=-1)
    scaled = values / temperature
    unlimited = top_k == 0
    scaled = scaled.masked_fill(~unlimited & (torch.arange(count, device=logits.device) >= top_k), float("-inf"))
    total = scaled.logsumexp(dim=-1, keepdim=True)
    if count < logits.shape[-1] and bool(unlimited.any()):
        total = torch.where(unlimited, (logits / temperature).logsumexp(dim=-1, keepdim=True), total)
    probabilities = (scaled - total).exp()
    cumulative = probabilities.cumsum(dim=-1)
    allowed = (cumulative - probabilities) < batch.top_p[rows]
    allowed &= probabilities >= batch.min_p[rows] * probabilities[:, :1]
    allowed[:, 0] = True
    cut_short = bool((unlimited & (cumulative[:, -1:] < batch.top_p[rows]) & allowed[:, -1:]).any())
    return torch.where(allowed, probabilities, 0.0), order, cut_short


def _draw(probabilities: Tensor, batch: _Batch, rows: list[int]) -> list[int]:
    """A position in each row, by its probability (they need not sum to 1)."""
    if probabilities.device.type != "mps":  # which has no float64
        probabilities = probabilities.double()
    cumulative = probabilities.cumsum(dim=-1)
    total = cumulative[:, -1:]
    numbers = [batch.runs[row].settings.random.random() for row in rows]
    target = torch.tensor(numbers, dtype=total.dtype, device=total.device).unsqueeze(1) * total
    positions = torch.searchsorted(cumulative, target, right=True)[:, 0].tolist()
    finite = (total[:, 0] > 0).tolist()  # False for NaN too
    last = probabilities.shape[-1] - 1
    return [min(int(p), last) if ok else NOT_A_NUMBER for p, ok in zip(positions, finite, strict=True)]
