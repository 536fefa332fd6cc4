"""A progress bar for the Trainer: steps, time left, tokens a second, loss."""

from __future__ import annotations

import time
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Progress(TrainerCallback):
    """One bar on stderr. With a time budget it shows minutes, without one steps; tqdm works out the time left.

    Args:
        tokens_a_step: rows times their length.
        minutes: the budget, if there is one.
    """

    def __init__(self, tokens_a_step: int, *, minutes: float | None = None) -> None:
        self.tokens_a_step, self.minutes = tokens_a_step, minutes
        self.speed = 0.0
        """Tokens a second since this process began to train."""
        self._bar: tqdm[Any] | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._begun, self._first = time.monotonic(), state.global_step
        total = None if self.minutes else state.max_steps
        self._bar = tqdm(total=total, initial=state.global_step, unit="step", dynamic_ncols=True)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        steps = state.global_step - self._first
        self.speed = steps * self.tokens_a_step / max(1e-9, time.monotonic() - self._begun)
        if self._bar is not None:
            self._bar.update(1)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any) -> None:
        if self._bar is not None and logs and "loss" in logs:
            self._bar.set_postfix_str(f"loss {float(logs['loss']):.3f}, {self.speed:,.0f} tokens/s")

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
