"""A progress bar for the Trainer: steps, time left, tokens a second, loss."""

from __future__ import annotations

import time
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from micromind.budget import Budget


class Progress(TrainerCallback):
    """One bar on stderr. Without a budget tqdm works out the time left from the steps; with one, what is left of it is shown.

    Args:
        tokens_a_step: rows times their length.
        budget: of time, if there is one; its callback comes before this one.
    """

    def __init__(self, tokens_a_step: int, budget: Budget | None = None) -> None:
        self.tokens_a_step, self.budget = tokens_a_step, budget
        self.speed = 0.0
        """Tokens a second since this process began to train."""
        self._bar: tqdm[Any] | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._begun, self._first = time.monotonic(), state.global_step
        total = None if self.budget else state.max_steps
        self._bar = tqdm(total=total, initial=state.global_step, unit="step", dynamic_ncols=True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        steps = state.global_step - self._first
        self.speed = steps * self.tokens_a_step / max(1e-9, time.monotonic() - self._begun)
        if self._bar is not None:
            self._bar.update(1)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any) -> None:
        if self._bar is not None and logs and "loss" in logs:
            left = f", {max(0.0, self.budget.seconds - self.budget.active) / 60:.1f} min left" if self.budget else ""
            self._bar.set_postfix_str(f"loss {float(logs['loss']):.3f}, {self.speed:,.0f} tokens/s{left}")

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
