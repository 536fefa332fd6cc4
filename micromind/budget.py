"""A budget of time for the transformers Trainer, by the clock on the wall or of the processor, which also shapes the learning rate."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

log = logging.getLogger(__name__)

STATE_FILE = "budget.json"
LONGEST_STEP = 5.0  # a step that took more than this many ordinary ones was a pause (the process was stopped), not work


class Budget(TrainerCallback):
    """Ends the training after `minutes` of active time. A pause does not count, and neither does time before a resume.

    Args:
        minutes: active time for the whole training, over all resumes.
        clock: in seconds; time.process_time counts what the processor worked for this process, all threads together.
        tokens_per_step: to count the tokens; it may differ after a resume.
        warm_up: the share of the budget in which the learning rate rises.
    """

    def __init__(self, minutes: float, tokens_per_step: int, *, warm_up: float = 0.02, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = minutes * 60
        self.tokens_per_step = tokens_per_step
        self.warm_up = warm_up
        self.clock = clock
        self.active = 0.0
        self.tokens = 0
        self.usual_step: float | None = None
        self._steps = 0  # since this process began
        self._last = clock()

    @property
    def share(self) -> float:
        """How much of the budget is spent, 0 to 1."""
        return min(1.0, self.active / self.seconds)

    def rate(self, _step: int) -> float:
        """The learning rate's factor: up in a line, then down in a line to (almost) nothing."""
        if self.share < self.warm_up:
            return max(0.02, self.share / self.warm_up)
        return max(0.0, (1 - self.share) / (1 - self.warm_up))

    def schedule(self, optimizer: Optimizer) -> LambdaLR:
        return LambdaLR(optimizer, self.rate)

    def spend(self, seconds: float) -> None:
        """Count one step; a far longer one than usual counts as a usual one."""
        if self.usual_step is not None:
            seconds = min(seconds, LONGEST_STEP * self.usual_step)
            self.usual_step += 0.05 * (seconds - self.usual_step)
        self.active += seconds

    # --- called by the Trainer ---------------------------------------------------------------------------------------

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        saved = Path(args.output_dir) / f"checkpoint-{state.global_step}" / STATE_FILE
        if state.global_step and saved.is_file():
            spent = json.loads(saved.read_text())
            self.active, self.tokens = spent["active_seconds"], spent["tokens"]
            log.info("resumed at step %d, %.1f of %.1f minutes spent", state.global_step, self.active / 60, self.seconds / 60)
        self._last = self.clock()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        now = self.clock()
        took, self._last = now - self._last, now
        self.spend(took)
        self._steps += 1
        self.tokens += self.tokens_per_step
        if self._steps == 3:  # the first ones may compile
            self.usual_step = took
        if self.share >= 1:
            control.should_training_stop = True
            control.should_log = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (folder / STATE_FILE).write_text(json.dumps({"active_seconds": self.active, "tokens": self.tokens}))
        self._last = self.clock()
