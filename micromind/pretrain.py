"""Pretraining, next-token prediction on everything: `python -m micromind.pretrain --tokenizer DIR --output DIR --minutes 45`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase, Qwen3ForCausalLM, set_seed

from micromind import config, data, training

log = logging.getLogger(__name__)


def packed(options: argparse.Namespace, tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """The stage's rows, uint16 [rows, length]; kept in the output folder, so that a resume reads the very same ones."""
    kept = options.output / f"rows-{options.length}.npy"
    if kept.is_file():
        return np.load(kept)
    documents = data.mixture(options.data, stage="pretrain", seed=options.seed)
    rows = data.pack_stream(data.encode(documents, tokenizer), options.length)
    np.save(kept, rows)
    return rows


def new_model(tokenizer: PreTrainedTokenizerBase, **shape: int) -> Qwen3ForCausalLM:
    """A network with random weights that fits the tokenizer."""
    return Qwen3ForCausalLM(config.model_config(vocabulary=len(tokenizer), pad_id=tokenizer.pad_token_id, eos_id=tokenizer.eos_token_id, **shape))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.pretrain", description=__doc__)
    data.add_arguments(parser)
    training.add_arguments(parser, rate=2e-3, batch=8, minutes=45)
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder written by micromind.tokenizer")
    parser.add_argument("--length", type=int, default=512, help="tokens a row")
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--feed-forward", type=int, default=1024)
    options = parser.parse_args(argv)
    training.start_logging(options.output)
    set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    rows = packed(options, tokenizer)
    log.info("%.2f M tokens in %d rows", rows.size / 1e6, len(rows))
    model = new_model(tokenizer, hidden=options.hidden, layers=options.layers, heads=options.heads, feed_forward=options.feed_forward)
    training.fit(model, tokenizer, training.Rows(rows), options, context=options.length)


if __name__ == "__main__":
    torch.set_float32_matmul_precision("high")
    main()
