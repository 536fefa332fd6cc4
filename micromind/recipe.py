"""From text to served models in one command: `python -m micromind.recipe --size tiny --data FOLDER`.

Runs tokenizer, pretrain, sft, dpo, lora, reason, grpo (and with --teacher distill), then evaluate. A stage that is finished is passed over and
one that was interrupted goes on, so the same command continues after anything. What it does not know itself goes to every training stage:
`--threads 1`, `--report-to none`.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from micromind import data, distill, dpo, evaluate, folders, grpo, lora, pretrain, reason, sft, tokenizer
from micromind.problems import command
from micromind.sizes import SIZES

log = logging.getLogger(__name__)

TRAINED: tuple[tuple[str, Callable[[list[str] | None], None]], ...] = (
    ("pretrain", pretrain.main),
    ("sft", sft.main),
    ("dpo", dpo.main),
    ("lora", lora.main),
    ("reason", reason.main),
    ("grpo", grpo.main),
)


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.recipe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data.add_arguments(parser)
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--root", type=Path, default=folders.ROOT)
    parser.add_argument("--teacher", help="also distil from this: see micromind.distill")
    parser.add_argument("--amounts", choices=SIZES, help="ask as much in the evaluation as at this size")
    parser.add_argument("--only", nargs="*", default=[], metavar="STAGE", help="these stages and no others")
    options, more = parser.parse_known_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    common = ["--size", options.size, "--root", str(options.root), "--seed", str(options.seed)]
    common += ["--data", str(options.data)] if options.data else []
    stages: list[tuple[str, Callable[[list[str] | None], None], list[str]]] = [("tokenizer", tokenizer.main, common)]
    stages += [(name, stage, common + more) for name, stage in TRAINED]
    if options.teacher:
        stages.append(("distill", distill.main, [*common, *more, "--teacher", options.teacher]))
    stages.append(("evaluate", evaluate.main, [*common, "--amounts", options.amounts or options.size]))
    unknown = set(options.only) - {name for name, _, _ in stages}
    if unknown:
        parser.error(f"there is no stage {', '.join(sorted(unknown))}; there is: {', '.join(name for name, _, _ in stages)}")
    made = folders.read_record(folders.stage_folder(options.root.parent / "training", options.size, "tokenizer"))
    for name, stage, arguments in stages:
        if (options.only and name not in options.only) or (name == "tokenizer" and made and not options.only):
            continue
        if name == "dpo" and options.data is None and "--pairs" not in more:
            log.info("dpo needs preference pairs (--data): passed over")
            continue
        log.info("── %s", name)
        stage(arguments)


if __name__ == "__main__":
    main()
