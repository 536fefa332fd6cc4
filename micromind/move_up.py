"""From a small model to a bigger one: `python -m micromind.move_up --bigger FOLDER --data FOLDER [--conversations FILE ...]`.

Keeps the data and the conversations and changes the model: measures the bigger model, fine-tunes it on the same conversations (with LoRA,
unless --full: a model of several billion parameters needs about 16 bytes of memory for each of them otherwise), measures it again with the
same questions, and writes both beside each other.
"""

from __future__ import annotations

from pathlib import Path

from micromind import evaluate, lora, sft
from micromind.problems import command
from micromind.stage import Run, parser


@command
def main(argv: list[str] | None = None) -> None:
    options_parser = parser("move_up", __doc__)
    options_parser.add_argument("--bigger", dest="model", type=Path, required=True, help="folder of the bigger chat model")
    options_parser.add_argument(
        "--conversations", type=Path, nargs="*", default=[], help="further JSONL files, e.g. from `manage.py export_training`"
    )
    options_parser.add_argument("--full", action="store_true", help="train all weights, not a LoRA adapter")
    options_parser.add_argument("--rank", type=int, default=16, help="of the LoRA adapter")
    options_parser.add_argument("--no-checks", dest="checks", action="store_false", help="do not measure before and after")
    options = options_parser.parse_args(argv)
    raw = options.data
    options.output = options.output or options.root / f"{options.model.name}-tuned"
    run = Run("sft" if options.full else "lora", options)
    if run.begin():
        if options.full:
            sft.tune(run)
        else:
            options.domain = ""
            lora.adapt(run, stage="sft")
    if options.checks:
        said = ["--size", options.size, "--root", str(options.root), "--output", str(run.folder / "report"), "--seed", str(options.seed)]
        said += ["--data", str(raw)] if raw else []
        evaluate.main([*said, "--models", str(options.model), str(run.folder)])


if __name__ == "__main__":
    main()
