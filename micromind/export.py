"""Turns a finished training folder into the folder that the server loads: `python -m micromind.export --model DIR --output DIR`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from micromind import config

log = logging.getLogger(__name__)

# Chosen by trying them with micromind.evaluate; the model card shows the comparison.
SAMPLING = {"do_sample": True, "temperature": 0.6, "top_p": 0.85, "top_k": 20, "repetition_penalty": 1.1, "max_new_tokens": 256}


def generation_config(tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
    """The sampling defaults, and the tokens that end an answer."""
    ends = tokenizer.convert_tokens_to_ids([config.TURN_END, config.END_OF_TEXT])
    return GenerationConfig(**SAMPLING, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id)


def export(source: Path, target: Path, *, dtype: torch.dtype = torch.bfloat16) -> int:
    """Write weights (in `dtype`), tokenizer, chat template and sampling defaults; returns the folder's size in bytes."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.chat_template = config.CHAT_TEMPLATE
    tokenizer.model_max_length = config.CONTEXT
    model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype)
    model.config.use_cache = True
    model.generation_config = generation_config(tokenizer)
    target.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return sum(file.stat().st_size for file in target.iterdir())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.export", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder of the trained model")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    size = export(options.model, options.output)
    log.info("%s: %.1f MB", options.output, size / 1e6)


if __name__ == "__main__":
    main()
