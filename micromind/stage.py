"""What all training stages share: their options, resuming, what the Trainer is told, and the record they leave.

A stage builds one trainer (transformers' or trl's) and hands it to `Run.train`; the loop itself is the library's.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, ProgressCallback, Trainer, set_seed

from micromind import data, folders, plots
from micromind.budget import Budget
from micromind.problems import StageError, out_of_memory
from micromind.progress import Progress
from micromind.sizes import SIZES, Plan, Size

log = logging.getLogger(__name__)

LIBRARIES = ("torch", "transformers", "tokenizers", "trl", "peft", "accelerate", "datasets")
CHECKPOINT_PARTS = ("trainer_state.json", "optimizer.pt", "scheduler.pt")
# What must be the same when a run is resumed; the batch may be halved if `--accumulate` is doubled.
LASTING = ("size", "seed", "steps", "minutes", "cpu_minutes", "rows_a_step", "length", "rate", "limit", "model", "data", "weigh")


def parser(stage: str, description: str | None) -> argparse.ArgumentParser:
    """The options that every training stage takes. What is not given comes from the size's plan (micromind/sizes.py)."""
    made = argparse.ArgumentParser(prog=f"python -m micromind.{stage}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    data.add_arguments(made)
    made.add_argument("--size", choices=SIZES, default="tiny")
    made.add_argument("--root", type=Path, default=folders.ROOT, help="where the stages' folders lie (default: %(default)s)")
    made.add_argument("--output", type=Path, help="this stage's folder (default: ROOT/micromind-SIZE-STAGE)")
    made.add_argument("--steps", type=int, help="steps of the optimizer")
    made.add_argument("--minutes", type=float, help="a budget of active time in place of --steps; it shapes the learning rate too")
    made.add_argument("--cpu-minutes", type=float, help="the same, of processor time: for fair comparisons on a busy computer")
    made.add_argument("--batch", type=int, help="rows in one forward pass")
    made.add_argument("--accumulate", type=int, help="forward passes a step")
    made.add_argument("--length", type=int, help="tokens of a row")
    made.add_argument("--rate", type=float, help="the highest learning rate")
    made.add_argument("--limit", type=int, help="so many documents of a file at most")
    made.add_argument("--save-steps", type=int, help="steps between two checkpoints (default: a tenth of all)")
    made.add_argument("--threads", type=int, help="CPU threads; 1 on a computer that is busy with other things (default: torch's)")
    made.add_argument("--compile", action="store_true", help="torch.compile: faster after a minute or more of compiling")
    made.add_argument("--no-bf16", dest="bf16", action="store_false", help="compute in 32 bits only")
    made.add_argument("--report-to", choices=("tensorboard", "wandb", "none"), default="tensorboard", help="where the curves go while it runs")
    made.add_argument("--fresh", action="store_true", help="begin anew: forget the folder's checkpoints and its finished model")
    return made


class Run:
    """One run of one stage, from its options to its record.

    Args:
        stage: its name, as in sizes.STAGES.
        options: what `parser` parsed.
        before: the stage whose folder is the input when no --model is given.
    """

    def __init__(self, stage: str, options: argparse.Namespace, *, before: str = "") -> None:
        self.stage, self.options = stage, options
        self.size: Size = SIZES[options.size]
        self.plan = _plan(self.size.plans[stage], options)
        self.budget: float | None = options.minutes or options.cpu_minutes
        """Minutes, by whichever clock."""
        self.limit: int | None = options.limit or self.size.documents
        self.folder: Path = options.output or folders.stage_folder(options.root, options.size, stage)
        if before and options.model is None:
            options.model = folders.stage_folder(options.root, options.size, before)
        self.data: dict[str, Any] = {}
        """What it learnt from, for the record."""
        self.extra: dict[str, Any] = {}
        """Figures of the stage's own."""
        self.asked = self._lasting()

    # --- beginning -----------------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """Prepare the folder. False: this very run was finished before, there is nothing to do."""
        if self.options.fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
        _quiet_libraries()
        asked = self.asked
        known = folders.read_record(self.folder).get("run") or folders.read_record(self.folder, "run.json")
        if known and (changed := ", ".join(f"{name} {known.get(name)} → {asked[name]}" for name in LASTING if known.get(name) != asked[name])):
            raise StageError(f"{self.folder} holds a run with other options ({changed}). Give those, another --output, or --fresh to begin anew.")
        if folders.read_record(self.folder):
            log.info("%s is finished already (--fresh trains it anew)", self.folder)
            return False
        folders.write_record(self.folder, asked, "run.json")
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        set_seed(self.options.seed)
        return True

    def _lasting(self) -> dict[str, Any]:
        own = {
            "size": self.options.size,
            "seed": self.options.seed,
            "steps": None if self.budget else self.plan.steps,
            "minutes": self.options.minutes,
            "cpu_minutes": self.options.cpu_minutes,
            "rows_a_step": self.plan.batch * self.plan.accumulate,
            "length": self.plan.length,
            "rate": self.plan.rate,
            "limit": self.limit,
            "model": str(getattr(self.options, "model", None) or getattr(self.options, "tokenizer", "")),
            "data": str(self.options.data) if self.options.data else None,
            "weigh": getattr(self.options, "weigh", None) or None,
        }
        return {name: own[name] for name in LASTING}

    def arguments(self, kind: type, **more: Any) -> Any:
        """The trainer's arguments: `kind` is TrainingArguments or one of trl's configs."""
        options, plan = self.options, self.plan
        every = options.save_steps or max(1, plan.steps // 10)
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(self.folder / "tensorboard")
        given = {
            "output_dir": str(self.folder / folders.CHECKPOINTS),
            "use_cpu": not torch.cuda.is_available(),
            "bf16": options.bf16,
            "torch_compile": options.compile,
            "gradient_checkpointing": False,
            "per_device_train_batch_size": plan.batch,
            "gradient_accumulation_steps": plan.accumulate,
            "learning_rate": plan.rate,
            "lr_scheduler_type": "linear",
            "warmup_steps": max(1, plan.steps // 50),
            "adam_beta2": 0.95,
            "weight_decay": 0.1,
            "max_grad_norm": 1.0,
            "max_steps": 10_000_000 if self.budget else plan.steps,
            "logging_strategy": "steps",
            "logging_steps": max(1, min(10, plan.steps // 10)),
            "save_strategy": "steps",
            "save_steps": every if not self.budget else options.save_steps or 200,
            "save_total_limit": 2,
            "report_to": options.report_to,
            "run_name": self.folder.name,
            "seed": options.seed,
            "data_seed": options.seed,
            "dataloader_drop_last": True,
            "dataloader_pin_memory": False,
        }
        return kind(**(given | more))

    # --- training ------------------------------------------------------------------------------------------------------

    def train(self, trainer: Trainer, *, tokens_a_step: int | None = None) -> None:
        """Let the library train, from the newest whole checkpoint on.

        Args:
            tokens_a_step: for the progress bar; default: rows times length.
        Raises:
            StageError: out of memory, with what to try.
        """
        plan = self.plan
        tokens = tokens_a_step or plan.batch * plan.accumulate * plan.length
        for theirs in (ProgressCallback, PrinterCallback):
            trainer.remove_callback(theirs)
        budget = Budget(self.budget, tokens, clock=time.process_time if self.options.cpu_minutes else time.monotonic) if self.budget else None
        if budget:
            self._within(trainer, budget)
        self.progress = Progress(tokens, budget)
        trainer.add_callback(self.progress)
        begun, worked = time.monotonic(), time.process_time()
        try:
            trainer.train(resume_from_checkpoint=newest_checkpoint(self.folder / folders.CHECKPOINTS))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            raise StageError(self._memory_sentence(trainer.state.global_step)) from error
        self.seconds, self.cpu_seconds = time.monotonic() - begun, time.process_time() - worked
        self.history = trainer.state.log_history
        self.steps = trainer.state.global_step

    def _within(self, trainer: Trainer, budget: Budget) -> None:
        """The budget ends the training and sets the rate. It needs the optimizer now, which the Trainer would make later."""
        optimizer = trainer.create_optimizer()
        trainer.lr_scheduler = budget.schedule(optimizer)
        trainer.add_callback(budget)

    def _memory_sentence(self, step: int) -> str:
        batch, accumulate = self.plan.batch, self.plan.accumulate
        kept = newest_checkpoint(self.folder / folders.CHECKPOINTS)
        lost = f"The checkpoint of step {kept.rpartition('-')[2]} is kept." if kept else "There was no checkpoint yet."
        tried = f"Out of memory at step {step + 1}, with {batch} rows of {self.plan.length} tokens at once. {lost}"
        if batch == 1:
            return f"{tried} Try a smaller --size, or a shorter --length with --fresh."
        return f"{tried} The same command with --batch {max(1, batch // 2)} --accumulate {accumulate * 2} learns the same and needs less at once."

    # --- ending --------------------------------------------------------------------------------------------------------

    def finish(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """Publish the model with its record and plots, and remove the checkpoints."""
        curve = [entry for entry in self.history if "loss" in entry]
        record = {
            "stage": self.stage,
            "size": self.options.size,
            "parent": str(getattr(self.options, "model", "") or ""),
            "command": command_line(self.stage),
            "seed": self.options.seed,
            "run": self.asked,
            "data": self.data,
            "figures": {
                "parameters": model.num_parameters(),
                "steps": self.steps,
                "tokens": self.steps * self.progress.tokens_a_step,
                "seconds": round(self.seconds, 1),
                "cpu_seconds": round(self.cpu_seconds, 1),
                "tokens_per_second": round(self.progress.speed),
                "first_loss": round(curve[0]["loss"], 4) if curve else None,
                "last_loss": round(curve[-1]["loss"], 4) if curve else None,
                **self.extra,
            },
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads",
            "libraries": {name: metadata.version(name) for name in LIBRARIES},
            "curve": self.history,
        }
        plots.curves(self.history, self.folder / "training.png", title=self.folder.name)
        folders.publish(self.folder, model, tokenizer)
        folders.write_record(self.folder, record)
        (self.folder / "run.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder / folders.CHECKPOINTS, ignore_errors=True)
        figures = record["figures"]
        log.info(
            "%s: %d steps, %.2f M tokens, %.0f s, loss %s → %s",
            self.folder, self.steps, figures["tokens"] / 1e6, self.seconds, figures["first_loss"], figures["last_loss"],
        )  # fmt: skip
        return record


def _plan(plan: Plan, options: argparse.Namespace) -> Plan:
    """The size's plan with what was asked for in its place."""
    given = {name: getattr(options, name) for name in ("steps", "batch", "length", "rate", "accumulate")}
    for name, value in (given | {"minutes": options.minutes, "cpu-minutes": options.cpu_minutes}).items():
        if value is not None and value <= 0:
            raise StageError(f"--{name} must be more than 0, got {value}.")
    if options.minutes and options.cpu_minutes:
        raise StageError("--minutes and --cpu-minutes are two budgets: give one of them.")
    return replace(plan, **{name: value for name, value in given.items() if value is not None})


def newest_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; one that was cut off (kill -9, power) is removed."""
    numbered = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for checkpoint in numbered:
        if _is_whole(checkpoint):
            return str(checkpoint)
        log.info("%s was not written to its end and is removed", checkpoint.name)
        shutil.rmtree(checkpoint)
    return None


def _is_whole(checkpoint: Path) -> bool:
    """trainer_state.json is the last file that the Trainer writes, so one that can be read means that the rest is there."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all((checkpoint / part).is_file() for part in CHECKPOINT_PARTS)


def command_line(stage: str) -> str:
    """The command as it was given, for the record: the stage's own, or one that runs several."""
    started = Path(sys.argv[0]).stem
    stage = started if started in ("recipe", "move_up", "compare_recipes") else stage
    return shlex.join(["python", "-m", f"micromind.{stage}", *sys.argv[1:]])


def _quiet_libraries() -> None:
    """What libraries say about their own future is no news for who trains; neither are their bars for each step of the data."""
    import datasets
    from transformers.utils import logging as transformers_logging

    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    logging.getLogger("trl").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)


def train_on(run: Run, make: Callable[[], Trainer]) -> Trainer:
    """Build and train: memory may run out while the trainer is built, too."""
    try:
        trainer = make()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise StageError("Out of memory before the first step: the model and its optimizer do not fit. Try a smaller --size.") from error
    run.train(trainer)
    return trainer
