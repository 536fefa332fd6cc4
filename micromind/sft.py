"""Fine-tuning on conversations, loss on the assistant's words only, packed: `python -m micromind.sft --size tiny --data FOLDER`.

The input is the pretrained model, or any chat model's folder (--model), a bigger one too. The loop is trl's SFTTrainer.
"""

from __future__ import annotations

import random
from pathlib import Path

from micromind import conversations, data, folders
from micromind.document import Document
from micromind.prepare import prepared
from micromind.problems import command
from micromind.stage import Run, parser, train_on


@command
def main(argv: list[str] | None = None) -> None:
    options_parser = parser("sft", __doc__)
    options_parser.add_argument("--model", type=Path, help="folder of the model to go on from (default: that of the pretrain stage)")
    options_parser.add_argument(
        "--conversations", type=Path, nargs="*", default=[], help="further JSONL files, e.g. from `manage.py export_training`"
    )
    run = Run("sft", options_parser.parse_args(argv), before="pretrain")
    if run.begin():
        tune(run)


def tune(run: Run) -> None:
    """The stage itself, on the mixture and the further files."""
    options = run.options
    model, tokenizer = folders.load(options.model)
    options.data = prepared(options.data, options.root, limit=run.limit)
    documents = data.mixture(options.data, stage="sft", seed=options.seed, limit=run.limit) + further(options.conversations, options.seed)
    rows = conversations.rows_of(documents, tokenizer, run.plan.length)
    run.data = {"files": data.read_from(options.data, "sft") | {str(file): 1.0 for file in options.conversations}, "conversations": len(rows)}
    train_on(run, lambda: conversations.sft_trainer(run, model, tokenizer, rows))
    run.finish(model, conversations.restore(tokenizer))


def further(files: list[Path], seed: int) -> list[Document]:
    """The documents of files that are not in the sources' list."""
    rng = random.Random(seed)
    for file in files:
        if not file.is_file():
            raise data.DataError(f"{file} is missing.")
    return [document for file in files for document in data.documents(file, rng)]


if __name__ == "__main__":
    main()
