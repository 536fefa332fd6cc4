"""Adds what several stages learnt to the model that they all went on from: `python -m micromind.merge --base B --add 1.0 ONE 1.0 OTHER --output O`.

Weights become base + Σ factor · (model − base) ("task arithmetic", Ilharco et al. 2023). All models must have the base's shape and tokenizer.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from micromind import folders
from micromind.problems import StageError, command

log = logging.getLogger(__name__)


@torch.no_grad()
def merge(base: Path, added: list[tuple[float, Path]]) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The base with the factor's share of each model's difference from it. Raises StageError for a model that is not of the base's kind."""
    model, tokenizer = folders.load(base)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    total = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    for factor, folder in added:
        other, its_tokenizer = folders.load(folder)
        weights = other.state_dict()
        if not folders.same_tokenizer(tokenizer, its_tokenizer):
            raise StageError(f"{folder} has another tokenizer than {base}: they do not go together.")
        if {name: tensor.shape for name, tensor in weights.items()} != {name: tensor.shape for name, tensor in before.items()}:
            raise StageError(f"{folder} has another shape than {base}: they do not go together.")
        for name, tensor in weights.items():
            total[name] += factor * (tensor - before[name])
    model.load_state_dict({name: tensor + total[name] for name, tensor in before.items()})
    return model, tokenizer


def _pairs(words: list[str]) -> list[tuple[float, Path]]:
    try:
        return [(float(factor), Path(folder)) for factor, folder in zip(words[::2], words[1::2], strict=True)]
    except ValueError as error:
        raise StageError(f"--add takes pairs of a factor and a folder, got {' '.join(words)}.") from error


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.merge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder of the model that the others went on from")
    parser.add_argument("--add", nargs="+", required=True, metavar="FACTOR FOLDER", help="pairs of a factor and a model's folder")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    model, tokenizer = merge(options.base, _pairs(options.add))
    options.output.mkdir(parents=True, exist_ok=True)
    folders.publish(options.output, model, tokenizer)
    log.info("%s", options.output)


if __name__ == "__main__":
    main()
