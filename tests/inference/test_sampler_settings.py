from __future__ import annotations

import pytest

from inference.sampler_settings import SamplerSettings
from inference.types import Sampling


def test_takes_what_is_said() -> None:
    settings = SamplerSettings.of(Sampling(temperature=0.7, top_k=10, top_p=0.8, min_p=0.1, repetition_penalty=1.2, seed=5))
    assert (settings.temperature, settings.top_k, settings.top_p, settings.min_p, settings.repetition_penalty, settings.seed) == (
        0.7,
        10,
        0.8,
        0.1,
        1.2,
        5,
    )
    assert settings.ranked


@pytest.mark.parametrize(
    ("sampling", "greedy", "ranked"),
    [
        (Sampling(temperature=0.0, top_k=10), True, False),
        (Sampling(temperature=1e-9), True, False),
        (Sampling(), False, False),
        (Sampling(min_p=0.1), False, False),
        (Sampling(top_p=0.9), False, True),
        (Sampling(top_k=3), False, True),
    ],
)
def test_knows_what_work_it_makes(sampling: Sampling, greedy: bool, ranked: bool) -> None:
    settings = SamplerSettings.of(sampling)
    assert (settings.greedy, settings.ranked) == (greedy, ranked)


def test_takes_nonsense_to_the_nearest_sense() -> None:
    settings = SamplerSettings.of(Sampling(temperature=-1.0, top_k=-5, top_p=7.0, min_p=-1.0, repetition_penalty=0.0))
    assert (settings.temperature, settings.top_k, settings.top_p, settings.min_p, settings.repetition_penalty) == (0.0, 0, 1.0, 0.0, 1.0)


def test_the_same_seed_draws_the_same_numbers() -> None:
    one, other, third = (SamplerSettings(seed=seed) for seed in (7, 7, 8))
    numbers = [one.random.random() for _ in range(5)]
    assert numbers == [other.random.random() for _ in range(5)]
    assert numbers != [third.random.random() for _ in range(5)]
