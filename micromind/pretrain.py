"""Pretraining, next-token prediction on everything: `python -m micromind.pretrain --size tiny --data FOLDER`.

Needs the tokenizer stage's folder, or with --model goes on from the weights and the tokenizer of a model. The loop is transformers' Trainer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3ForCausalLM, Trainer, TrainingArguments

from micromind import config, data, folders, sources
from micromind.prepare import prepared
from micromind.problems import StageError, command
from micromind.stage import Run, parser, train_on

log = logging.getLogger(__name__)

SHAPE = ("hidden", "layers", "heads", "kv_heads", "feed_forward")


class Rows(Dataset[dict[str, torch.Tensor]]):
    """Packed rows: ids [rows, length], which are their own labels."""

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        ids = torch.from_numpy(self.ids[row].astype(np.int64))
        return {"input_ids": ids, "labels": ids}


def packed(run: Run, tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """The stage's rows, uint16 [rows, length]; kept until the end, so that a resume reads the very same ones, or with --rows for other runs too."""
    options = run.options
    same = json.dumps([str(options.data), str(options.model or options.tokenizer), options.seed, run.limit, options.weigh])
    shared = options.rows and options.rows / f"{run.plan.length}-{hashlib.sha256(same.encode()).hexdigest()[:16]}.npy"
    kept = shared or run.folder / folders.CHECKPOINTS / f"rows-{run.plan.length}.npy"
    if kept.is_file():
        return np.load(kept)
    documents = data.mixture(options.data, stage="pretrain", seed=options.seed, limit=run.limit, weights=options.weigh)
    rows = data.pack_stream(data.encode(documents, tokenizer), run.plan.length)
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(".part.npy")
    np.save(draft, rows)
    draft.replace(kept)
    return rows


def new_model(tokenizer: PreTrainedTokenizerBase, **shape: int) -> Qwen3ForCausalLM:
    """A network with random weights that fits the tokenizer."""
    return Qwen3ForCausalLM(config.model_config(vocabulary=len(tokenizer), pad_id=tokenizer.pad_token_id, eos_id=tokenizer.eos_token_id, **shape))


def _options(argv: list[str] | None) -> argparse.Namespace:
    made = parser("pretrain", __doc__)
    made.add_argument("--model", type=Path, help="go on from this model, with its tokenizer and shape, in place of random weights")
    made.add_argument("--tokenizer", type=Path, help="folder with the tokenizer (default: that of the tokenizer stage)")
    for name in SHAPE:
        made.add_argument(f"--{name.replace('_', '-')}", type=int, help="of the network, in place of the size's")
    made.add_argument("--weigh", nargs="*", default=[], metavar="FILE=WEIGHT", help="read these sources so often, whatever the list says")
    made.add_argument("--rows", type=Path, help="folder that keeps the packed rows, for other runs on the same data")
    options = made.parse_args(argv)
    options.weigh = weights_of(options.weigh)
    if options.model and (options.tokenizer or _given_shape(options)):
        made.error("--model brings its own tokenizer and shape: leave the others out")
    if not options.model:
        options.tokenizer = options.tokenizer or folders.stage_folder(options.root.parent / "training", options.size, "tokenizer")
    return options


def weights_of(given: list[str]) -> dict[str, float]:
    """`FILE=WEIGHT` of the sources in the list. Raises StageError for another form, an unknown source and a weight below 0."""
    known = {source.path for source in sources.THIRD_PARTY}
    found = {}
    for one in given:
        name, _, weight = one.rpartition("=")
        if name not in known:
            raise StageError(f"--weigh takes FILE=WEIGHT with a file of micromind/sources.toml, such as kdconv/kdconv_chat.jsonl=0.5; got {one!r}.")
        try:
            found[name] = float(weight)
        except ValueError as error:
            raise StageError(f"--weigh {name}: the weight must be a number, got {weight!r}.") from error
        if not 0 <= found[name] <= 100:
            raise StageError(f"--weigh {name}: the weight must be from 0 to 100, got {weight}.")
    return found


def left_out(weights: dict[str, float]) -> frozenset[str]:
    """The weighed files that the list leaves out: preparing the data passes over them unless asked."""
    return frozenset(source.path for source in sources.THIRD_PARTY if source.left_out and weights.get(source.path))


def _network(run: Run) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model to train: that of --model, or a new one of the size's shape with what was given in its place."""
    if run.options.model:
        return folders.load(run.options.model)
    tokenizer = folders.load_tokenizer(run.options.tokenizer)
    return new_model(tokenizer, **run.size.shape() | _given_shape(run.options)), tokenizer


def _given_shape(options: argparse.Namespace) -> dict[str, int]:
    return {name: getattr(options, name) for name in SHAPE if getattr(options, name)}


def train(argv: list[str] | None = None) -> None:
    """The whole stage. Raises StageError, where `main` ends with its sentence."""
    run = Run("pretrain", _options(argv))
    options = run.options
    if shape := _given_shape(options):
        run.asked["size"] += "".join(f", {name} {value}" for name, value in shape.items())
    if not run.begin():
        return
    model, tokenizer = _network(run)
    if len(tokenizer) > np.iinfo(np.uint16).max:
        raise StageError(
            f"{options.model or options.tokenizer} has {len(tokenizer)} entries; a network of these sizes takes at most {np.iinfo(np.uint16).max}."
        )
    options.data = prepared(options.data, options.root, limit=run.limit, also=left_out(options.weigh))
    rows = packed(run, tokenizer)
    if len(rows) < run.plan.batch:
        raise StageError(f"The data fills {len(rows)} rows of {run.plan.length} tokens, and --batch is {run.plan.batch}.")
    log.info("%.2f M tokens in %d rows", rows.size / 1e6, len(rows))
    run.data = {"files": data.read_from(options.data, "pretrain", options.weigh), "rows": len(rows), "tokens": rows.size}
    model.config.use_cache = False
    train_on(run, lambda: Trainer(model=model, args=run.arguments(TrainingArguments), train_dataset=Rows(rows)))
    run.finish(model, tokenizer)


main = command(train)


if __name__ == "__main__":
    torch.set_float32_matmul_precision("high")
    main()
