"""What pretraining and fine-tuning share: one call of the transformers Trainer under a time budget."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, ProgressCallback, Trainer, TrainingArguments

from micromind.budget import Budget

log = logging.getLogger(__name__)


class Rows(Dataset[dict[str, torch.Tensor]]):
    """Packed rows: ids [rows, length] and, for fine-tuning, labels of the same shape (default: the ids)."""

    def __init__(self, ids: np.ndarray, labels: np.ndarray | None = None) -> None:
        self.ids, self.labels = ids, ids if labels is None else labels

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        return {
            "input_ids": torch.from_numpy(self.ids[row].astype(np.int64)),
            "labels": torch.from_numpy(self.labels[row].astype(np.int64)),
        }


def add_arguments(parser: argparse.ArgumentParser, *, rate: float, batch: int, minutes: float) -> None:
    parser.add_argument("--output", type=Path, required=True, help="folder for the checkpoints and the finished model")
    parser.add_argument("--minutes", type=float, default=minutes, help="budget of active time; it shapes the learning rate too")
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--batch", type=int, default=batch, help="rows a step")
    parser.add_argument("--save-steps", type=int, default=200, help="steps between two checkpoints")
    parser.add_argument("--compile", action="store_true", help="torch.compile: about half as fast again, after a minute or more of compiling")
    parser.add_argument("--no-bf16", dest="bf16", action="store_false", help="compute in 32 bits only")


def start_logging(folder: Path) -> None:
    """Progress to the screen and to `train.log`; the process id to `pid`, for whoever wants to pause or stop it."""
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True,
                        handlers=[logging.StreamHandler(sys.stdout), logging.FileHandler(folder / "train.log")])  # fmt: skip
    (folder / "pid").write_text(str(os.getpid()))


def fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Rows, options: argparse.Namespace, *, context: int) -> None:
    """Train until the budget is spent, going on from the newest checkpoint in `options.output` if there is one."""
    model.config.use_cache = False
    budget = Budget(options.minutes, options.batch * context)
    optimizer = torch.optim.AdamW(_groups(model), lr=options.rate, betas=(0.9, 0.95), fused=True)
    trainer = Trainer(
        model=model,
        args=_arguments(options),
        train_dataset=rows,
        optimizers=(optimizer, budget.schedule(optimizer)),
        callbacks=[budget],
    )
    for noisy in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(noisy)
    log.info("%.2f M parameters, %d rows of %d tokens", model.num_parameters() / 1e6, len(rows), context)
    newest = any(options.output.glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=newest)
    model.config.use_cache = True
    model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    _report(trainer, budget, options)


def _groups(model: PreTrainedModel) -> list[dict[str, object]]:
    """Weight decay for the matrices, none for the norms."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]


def _arguments(options: argparse.Namespace) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(options.output),
        use_cpu=not torch.cuda.is_available(),
        bf16=options.bf16,
        torch_compile=options.compile,
        per_device_train_batch_size=options.batch,
        max_steps=10_000_000,  # the budget ends it
        max_grad_norm=1.0,
        logging_strategy="steps",
        logging_steps=10_000_000,  # the budget asks for the lines
        save_strategy="steps",
        save_steps=options.save_steps,
        save_total_limit=2,
        report_to="none",
        seed=options.seed,
        data_seed=options.seed,
        dataloader_drop_last=True,
        dataloader_pin_memory=False,
    )


def _report(trainer: Trainer, budget: Budget, options: argparse.Namespace) -> None:
    """The run in numbers, beside the model: the model card quotes it."""
    steps = trainer.state.global_step
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    report = {
        "steps": steps,
        "tokens_seen": budget.tokens,
        "active_minutes": round(budget.active / 60, 2),
        "last_losses": losses[-5:],
        "curve": [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry],
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()},
    }
    (options.output / "report.json").write_text(json.dumps(report, indent=1))
    log.info("done: %d steps, %.2f M tokens, %.1f minutes, last loss %s", steps, budget.tokens / 1e6, budget.active / 60, losses[-1:] or "-")
