from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from inference import sampler as sampler_module
from inference.native_sampler import NativeSampler
from inference.runner import Native
from inference.sampler import NOT_A_NUMBER, Sampler
from inference.sampler_settings import SamplerSettings
from inference.scheduler import Run

VOCABULARY = 300
MakeSampler = Callable[[], Any]


class Cloning:
    """The sampler in C, which writes over what it is given."""

    def __init__(self, native: Native) -> None:
        self.sampler = NativeSampler(native.library)

    def sample(self, runs: list[Run], logits: torch.Tensor) -> list[int]:
        return self.sampler.sample(runs, logits.clone(memory_format=torch.contiguous_format))


@pytest.fixture(params=["torch", "native"])
def make_sampler(request: pytest.FixtureRequest, native: Native | None) -> MakeSampler:
    if request.param == "torch":
        return Sampler
    return partial(Cloning, native) if native is not None else pytest.skip("there is no C compiler here")


SETTINGS: list[dict[str, Any]] = [
    {"temperature": 0.7, "top_k": 10, "top_p": 0.8, "repetition_penalty": 1.2},
    {"temperature": 1.3, "top_p": 0.9},
    {"temperature": 1.0, "top_p": 0.999},
    {"temperature": 0.5, "top_k": 40},
    {"temperature": 1.0, "min_p": 0.2},
    {"temperature": 1.5, "top_k": 50, "min_p": 0.05},
    {"temperature": 0.9, "repetition_penalty": 1.5},
    {"temperature": 1.0},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_p": 0.0},
]


def make_run(ids: list[int] | None = None, **settings: Any) -> Run:
    return Run("r", ids or [1, 2, 3], 10, SamplerSettings(**settings))


def reference(logits: torch.Tensor, run: Run) -> torch.Tensor:
    """The probabilities by transformers' own processors, in `generate`'s order."""
    s = run.settings
    steps = LogitsProcessorList()
    if s.repetition_penalty != 1.0:
        steps.append(RepetitionPenaltyLogitsProcessor(s.repetition_penalty))
    steps.append(TemperatureLogitsWarper(s.temperature))
    if s.top_k:
        steps.append(TopKLogitsWarper(s.top_k))
    if s.top_p < 1:
        steps.append(TopPLogitsWarper(s.top_p))
    if s.min_p:
        steps.append(MinPLogitsWarper(s.min_p))
    return torch.softmax(steps(torch.tensor([run.ids + run.output]), logits[None].clone()), dim=-1)[0]


class Fixed:
    """In place of a random generator."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize("settings", SETTINGS)
def test_draws_with_the_probabilities_of_transformers(make_sampler: MakeSampler, settings: dict[str, Any]) -> None:
    """Numbers spread evenly over [0, 1) must choose each token as often as its probability says."""
    torch.manual_seed(3)
    logits = torch.randn(VOCABULARY) * 3
    grid = 2000
    runs = [make_run(**settings) for _ in range(grid)]
    for i, run in enumerate(runs):
        run.settings.random = Fixed((i + 0.5) / grid)  # type: ignore[assignment]
    tokens = make_sampler().sample(runs, logits.expand(grid, -1))
    got = torch.bincount(torch.tensor(tokens), minlength=VOCABULARY) / grid
    expected = reference(logits, runs[0])
    assert torch.allclose(got, expected, atol=1.1 / grid)
    assert not got[expected == 0].any()


@pytest.mark.parametrize("settings", SETTINGS)
def test_company_does_not_change_the_choice(make_sampler: MakeSampler, settings: dict[str, Any]) -> None:
    torch.manual_seed(4)
    logits = torch.randn(5, VOCABULARY) * 2

    def choose(others: list[dict[str, Any]]) -> list[int]:
        runs = [make_run(**settings, seed=9), *(make_run(**other, seed=i) for i, other in enumerate(others))]
        sampler = make_sampler()
        return [sampler.sample(runs, logits[: len(runs)].roll(step, -1))[0] for step in range(20)]

    assert choose([]) == choose([{"temperature": 0.0}, {"temperature": 1.0}]) == choose(SETTINGS[:4])


def test_greedy_takes_the_likeliest_with_the_penalty(make_sampler: MakeSampler) -> None:
    logits = torch.zeros(2, VOCABULARY)
    logits[:, 1], logits[:, 7] = 5.0, 4.5
    runs = [make_run([1], temperature=0.0), make_run([1], temperature=0.0, repetition_penalty=1.2)]
    assert make_sampler().sample(runs, logits) == [1, 7]


def test_the_penalty_sees_each_new_token(make_sampler: MakeSampler) -> None:
    logits = torch.zeros(1, VOCABULARY)
    logits[0, 11], logits[0, 12], logits[0, 13] = 5.0, 4.9, 4.8
    run, sampler = make_run([1], temperature=0.0, repetition_penalty=1.5), make_sampler()
    assert [sampler.sample([run], logits)[0] for _ in range(3)] == [11, 12, 13]


def test_the_penalty_survives_a_change_of_company(make_sampler: MakeSampler) -> None:
    logits = torch.zeros(2, VOCABULARY)
    logits[:, 11], logits[:, 12], logits[:, 13] = 5.0, 4.9, 4.8
    run, other, sampler = make_run([1], temperature=0.0, repetition_penalty=1.5), make_run([1], temperature=0.0), make_sampler()
    for expected, runs in ((11, [run]), (12, [other, run]), (13, [run])):
        token = sampler.sample(runs, logits[: len(runs)])[-1]
        run.output.append(token)
        assert token == expected


def test_top_p_looks_further_when_the_first_candidates_are_not_enough(make_sampler: MakeSampler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_module, "CANDIDATES", 8)
    test_draws_with_the_probabilities_of_transformers(make_sampler, {"temperature": 5.0, "top_p": 0.95})
    test_draws_with_the_probabilities_of_transformers(make_sampler, {"temperature": 0.3, "top_p": 0.5})


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": 1.0}, {"temperature": 1.0, "top_k": 5}])
def test_says_when_the_numbers_are_not_finite(make_sampler: MakeSampler, settings: dict[str, Any]) -> None:
    logits = torch.zeros(2, VOCABULARY)
    logits[1] = float("nan")
    good, bad = make_sampler().sample([make_run(**settings), make_run(**settings)], logits)
    assert bad == NOT_A_NUMBER
    assert good != NOT_A_NUMBER


def test_both_draw_the_same(native: Native | None) -> None:
    """Wherever a number does not fall on the very edge between two tokens."""
    if native is None:
        pytest.skip("there is no C compiler here")
    torch.manual_seed(5)
    same = total = 0
    for size in (300, 6400, 20_001):
        logits = torch.randn(len(SETTINGS), size) * 3
        for seed in range(20):
            each = [[make_run(**settings, seed=seed * 100 + i) for i, settings in enumerate(SETTINGS)] for _ in range(2)]
            one, other = Sampler().sample(each[0], logits), Cloning(native).sample(each[1], logits)
            same += sum(a == b for a, b in zip(one, other, strict=True))
            total += len(one)
    assert same >= 0.995 * total
