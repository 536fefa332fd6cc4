from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import TrainerControl

from micromind.budget import Budget
from micromind.progress import Progress


def test_the_rate_rises_and_falls_to_nothing() -> None:
    budget = Budget(10, 1, warm_up=0.1)
    rates = []
    for seconds in (0, 30, 60, 330, 600, 700):
        budget.active = seconds
        rates.append(budget.rate(0))
    assert rates == [0.02, 0.5, 1.0, pytest.approx(0.5), 0.0, 0.0]


def test_a_pause_counts_as_a_few_steps() -> None:
    budget = Budget(10, 1)
    budget.spend(2.0)
    budget.usual_step = 2.0
    budget.spend(600.0)
    assert budget.active == 12.0


def test_it_ends_the_training() -> None:
    budget, control = Budget(1, 1), TrainerControl()
    budget.active = 61
    budget.on_step_end(SimpleNamespace(), SimpleNamespace(global_step=5), control)
    assert control.should_training_stop


def test_processor_time_leaves_waiting_out() -> None:
    times = iter([5.0, 5.0, 7.5, 8.0])
    budget, state = Budget(10, 100, clock=lambda: next(times)), SimpleNamespace(global_step=0)
    budget.on_train_begin(SimpleNamespace(output_dir="nowhere"), state, TrainerControl())
    for _ in range(2):
        budget.on_step_end(SimpleNamespace(), state, TrainerControl())
    assert (budget.active, budget.tokens) == (3.0, 200)


def test_what_is_left_of_a_budget_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    budget = Budget(10, 1)
    budget.active = 450.0
    shown, state = Progress(256, budget), SimpleNamespace(global_step=0, max_steps=10_000_000)
    shown.on_train_begin(SimpleNamespace(), state, TrainerControl())
    shown.on_log(SimpleNamespace(), state, TrainerControl(), logs={"loss": 2.5})
    shown.on_train_end(SimpleNamespace(), state, TrainerControl())
    said = capsys.readouterr().err
    assert "loss 2.500" in said
    assert "2.5 min left" in said


def test_a_resumed_run_goes_on_counting(tmp_path: Path) -> None:
    arguments, state = SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(global_step=7)
    (tmp_path / "checkpoint-7").mkdir()
    first = Budget(1, 1)
    first.active, first.tokens = 42.0, 1000
    first.on_save(arguments, state, TrainerControl())
    assert json.loads((tmp_path / "checkpoint-7" / "budget.json").read_text()) == {"active_seconds": 42.0, "tokens": 1000}
    second = Budget(1, 1)
    second.on_train_begin(arguments, state, TrainerControl())
    assert (second.active, second.tokens) == (42.0, 1000)
