"""What one more hour, one more layer, one more dataset buys: `python -m micromind.compare_recipes --size small --data FOLDER --cpu-minutes 5`.

Pretrains one network after the other from random weights, each with the same budget of processor time, and measures all of them on the same
held-out texts. A recipe that is finished is passed over and one that was interrupted goes on; one that fails is written down as such.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from micromind import data, evaluate, folders, pretrain, tokenizer
from micromind.prepare import plain_documents, prepared
from micromind.problems import StageError, command
from micromind.sizes import SIZES, Size
from micromind.stage import command_line

log = logging.getLogger(__name__)

RECORD = "compared.json"
TEXTS = 10  # of each source's held-out part
LAST = 30  # steps whose loss is shown: a single one's differs by half a nat from the next
FIRST = "as it is"


@dataclass(frozen=True)
class Recipe:
    """One row of the table: what is other than in the first."""

    name: str
    options: tuple[str, ...] = ()
    """Of micromind.pretrain."""
    times: float = 1.0
    """The budget, in those of the first row."""
    seed: int | None = None


def recipes(size: Size) -> tuple[Recipe, ...]:
    """The rows for a size. The narrower network keeps the width of a head; the seed's row tells how much of a difference is chance."""
    heads = size.heads * 2 // 3
    width = heads * size.hidden // size.heads
    plan = size.plans["pretrain"]
    return (
        Recipe(FIRST),
        Recipe("twice the time", times=2),
        Recipe("one layer more", ("--layers", str(size.layers + 1))),
        Recipe("one layer less", ("--layers", str(size.layers - 1))),
        Recipe("narrower", ("--hidden", str(width), "--heads", str(heads), "--feed-forward", str(3 * width))),
        Recipe("one dataset more", ("--weigh", "drcd_zh/passages.jsonl=1", "cmrc2018_zh/passages.jsonl=1")),
        Recipe("one dataset less", ("--weigh", "lctt_zh/articles_zh.jsonl=0")),
        Recipe("another seed", seed=2),
        Recipe("twice the rate", ("--rate", f"{2 * plan.rate:g}")),
        Recipe("half the batch", ("--batch", str(max(1, plan.batch // 2)))),
    )


def train(recipe: Recipe, options: argparse.Namespace, more: list[str]) -> Path:
    """Pretrain one recipe in its own folder, unless it was. Raises StageError."""
    folder: Path = options.output / recipe.name.replace(" ", "-")
    pretrain.train(
        [
            *("--size", options.size, "--root", str(options.root), "--data", str(options.data), "--output", str(folder)),
            *("--seed", str(recipe.seed or options.seed), "--cpu-minutes", f"{options.cpu_minutes * recipe.times:g}"),
            *("--rows", str(options.output / "rows"), "--save-steps", "50", *recipe.options, *more),
        ]
    )
    return folder


def measure(folder: Path, plan: evaluate.Plan) -> dict[str, Any]:
    """Held-out bits per byte by source, once for each folder."""
    if not (known := folders.read_record(folder, RECORD)):
        model, its_tokenizer = folders.load(folder)
        held_out = evaluate.held_out(model.eval(), its_tokenizer, plan)
        known = {"seed": plan.seed, "texts": plan.amounts.documents, "bits_per_byte": {name: one["bits_per_byte"] for name, one in held_out.items()}}
        folders.write_record(folder, known, RECORD)
    return known


def languages(prepared_folder: Path) -> dict[str, str]:
    """zh or en for each held-out file, of all its text; one of both languages counts as zh."""
    files = evaluate.held_out_files(prepared_folder)
    return {name: tokenizer.language("\n".join(data.plain(document) for document in plain_documents(file))) for name, file in files.items()}


def mean(figures: dict[str, float], spoken: dict[str, str], language: str = "") -> float:
    """Over the sources, or those of one language."""
    chosen = [value for name, value in figures.items() if language in ("", spoken[name])]
    return sum(chosen) / max(1, len(chosen))


def end_loss(curve: list[dict[str, Any]]) -> float:
    """The mean loss of the last steps (of LAST, or as many more as the first of the entries covers); each entry is the mean since the one before."""
    entries = [(entry["step"], entry["loss"]) for entry in curve if "loss" in entry]
    total = steps = 0.0
    for (step, loss), before in zip(reversed(entries), [step for step, _ in reversed(entries[:-1])] + [0], strict=True):
        total, steps = total + loss * (step - before), steps + step - before
        if steps >= LAST:
            break
    return total / max(1.0, steps)


def table(rows: list[tuple[Recipe, dict[str, Any], dict[str, Any]] | tuple[Recipe, str]], spoken: dict[str, str]) -> str:
    """The Markdown table; the difference is that to the first row, and less is better."""
    head = [
        "recipe",
        "million parameters",
        "CPU s",
        "million tokens",
        f"training loss, last {LAST} steps",
        "held out: bits per byte",
        "zh",
        "en",
        "to the first",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    first: float | None = None
    for recipe, *found in rows:
        told = f" (`{' '.join(recipe.options)}`)" if recipe.options else f" ({recipe.seed})" if recipe.seed else ""
        label = recipe.name + told
        if isinstance(found[0], str):
            lines.append(f"| {label} | failed: {found[0]} |" + " |" * (len(head) - 2))
            continue
        trained, compared = found[0]["figures"], found[1]["bits_per_byte"]
        whole = mean(compared, spoken)
        first = whole if recipe.name == FIRST else first
        cells = [
            label,
            f"{trained['parameters'] / 1e6:.2f}",
            f"{trained['cpu_seconds']:.0f}",
            f"{trained['tokens'] / 1e6:.2f}",
            f"{end_loss(found[0]['curve']):.3f}",
            f"{whole:.3f}",
            f"{mean(compared, spoken, 'zh'):.3f}",
            f"{mean(compared, spoken, 'en'):.3f}",
            "–" if first is None or recipe.name == FIRST else f"{whole - first:+.3f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m micromind.compare_recipes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data.add_arguments(parser)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--root", type=Path, default=folders.ROOT)
    parser.add_argument("--cpu-minutes", type=float, default=5.0, help="processor time for each recipe (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="folder for the networks and table.md (default: training/compare-SIZE beside ROOT)")
    parser.add_argument("--only", nargs="*", default=[], metavar="RECIPE", help="these recipes and no others, by name")
    options, more = parser.parse_known_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    listed = recipes(SIZES[options.size])
    if unknown := set(options.only) - {recipe.name for recipe in listed}:
        parser.error(f"there is no recipe {', '.join(sorted(unknown))}; there is: {', '.join(recipe.name for recipe in listed)}")
    if options.data is None:
        raise StageError("--data (or MICROMIND_DATA) must name the folder with the sources: the recipes are compared on their held-out part.")
    options.output = options.output or options.root.parent / "training" / f"compare-{options.size}"
    held = prepared(options.data, options.root, limit=SIZES[options.size].documents)
    assert held is not None
    amounts = evaluate.Amounts(documents=TEXTS, sums=0, gsm8k=0, dialogues=0, tokens=0)
    plan = evaluate.Plan(amounts=amounts, prepared=held, gsm8k=None, seed=options.seed, judge=None, judged_by="")
    spoken = languages(held)
    options.output.mkdir(parents=True, exist_ok=True)
    rows: list[Any] = []
    for recipe in listed:
        if options.only and recipe.name not in options.only:
            continue
        log.info("── %s", recipe.name)
        try:
            folder = train(recipe, options, more)
            rows.append((recipe, folders.read_record(folder), measure(folder, plan)))
        except StageError as error:
            log.info("failed: %s", error)
            rows.append((recipe, str(error)))
        (options.output / "table.md").write_text(f"`{command_line('compare_recipes')}`\n\n{table(rows, spoken)}\n", encoding="utf-8")
    log.info("%s", table(rows, spoken))


if __name__ == "__main__":
    torch.set_float32_matmul_precision("high")
    main()
