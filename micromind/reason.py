"""Reasoning: think between <think> and </think>, then answer; the tags count extra in the loss:
`python -m micromind.reason --size tiny --data FOLDER`.

Learns from GSM8K's training half and from sums of two digits worked out in steps. The loop is trl's SFTTrainer, with the loss in conversations.py.
"""

from __future__ import annotations

from pathlib import Path

import torch

from micromind import config, conversations, data, folders
from micromind.prepare import prepared
from micromind.problems import StageError, command
from micromind.stage import Run, parser, train_on

TAG_WEIGHT = 10.0  # MiniMind's


@command
def main(argv: list[str] | None = None) -> None:
    options_parser = parser("reason", __doc__)
    options_parser.add_argument("--model", type=Path, help="folder of the model to go on from (default: that of the sft stage)")
    options_parser.add_argument("--tag-weight", type=float, default=TAG_WEIGHT, help="how often a tag counts (default: %(default)s)")
    options = options_parser.parse_args(argv)
    run = Run("reason", options, before="sft")
    if not run.begin():
        return
    model, tokenizer = folders.load(options.model)
    known = tokenizer.get_vocab()
    if any(tag not in known for tag in config.TEXT_TOKENS):
        raise StageError(f"{options.model}: its tokenizer has no tokens <think> and </think>, so they cannot be counted extra.")
    options.data = prepared(options.data, options.root, limit=run.limit)
    documents = data.mixture(options.data, stage="reason", seed=options.seed, limit=run.limit)
    rows = conversations.rows_of(documents, tokenizer, run.plan.length)
    run.data = {"files": data.read_from(options.data, "reason"), "conversations": len(rows), "synthetic": "sums of two digits in steps"}
    run.extra = {"tag_weight": options.tag_weight}

    def make() -> conversations.ConversationTrainer:
        trainer = conversations.sft_trainer(run, model, tokenizer, rows)
        trainer.tags = torch.tensor([known[tag] for tag in config.TEXT_TOKENS])
        trainer.tag_weight = options.tag_weight
        return trainer

    train_on(run, make)
    run.finish(model, conversations.restore(tokenizer))


if __name__ == "__main__":
    main()
