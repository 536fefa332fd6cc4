"""Preferences: the better of two answers made likelier (DPO): `python -m micromind.dpo --size tiny --data FOLDER`.

Pairs come from the sources with a `dpo` weight and from files given with --pairs (`manage.py export_training --form dpo` writes one
from the thumbs that people gave). The loop is trl's DPOTrainer.
"""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer

from micromind import data, folders
from micromind.prepare import prepared
from micromind.problems import StageError, command
from micromind.stage import Run, parser, train_on

BETA = 0.15  # MiniMind's


def fitting(pairs: list[dict[str, list[data.Message]]], tokenizer: PreTrainedTokenizerBase, length: int) -> list[dict[str, list[data.Message]]]:
    """The pairs of which both sides fit into `length` tokens."""

    def tokens(chats: list[list[data.Message]]) -> list[int]:
        texts = [str(tokenizer.apply_chat_template([dict(message) for message in chat], tokenize=False)) for chat in chats]
        return [len(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]] if texts else []

    chosen = tokens([pair["prompt"] + pair["chosen"] for pair in pairs])
    rejected = tokens([pair["prompt"] + pair["rejected"] for pair in pairs])
    return [pair for pair, one, other in zip(pairs, chosen, rejected, strict=True) if max(one, other) <= length]


@command
def main(argv: list[str] | None = None) -> None:
    options_parser = parser("dpo", __doc__)
    options_parser.add_argument("--model", type=Path, help="folder of the model to go on from (default: that of the sft stage)")
    options_parser.add_argument("--pairs", type=Path, nargs="*", default=[], help="further JSONL files with `chosen` and `rejected` messages")
    options_parser.add_argument("--beta", type=float, default=BETA, help="how strongly it is held to the model it began as (default: %(default)s)")
    options = options_parser.parse_args(argv)
    run = Run("dpo", options, before="sft")
    if not run.begin():
        return
    model, tokenizer = folders.load(options.model)
    options.data = prepared(options.data, options.root, limit=run.limit)
    pairs = data.preferences(options.data, seed=options.seed, limit=run.limit)
    pairs += [pair for file in options.pairs for record in data.read_jsonl(file) if (pair := data.preference(record, file))]
    short = fitting(pairs, tokenizer, run.plan.length)
    if len(short) < run.plan.batch:
        raise StageError(
            f"{len(short)} of {len(pairs)} preference pairs fit into {run.plan.length} tokens, and --batch is {run.plan.batch}. "
            "--data or --pairs must name some."
        )
    run.data = {"files": data.read_from(options.data, "dpo") | {str(file): 1.0 for file in options.pairs}, "pairs": len(short)}
    arguments = run.arguments(DPOConfig, beta=options.beta, max_length=run.plan.length, pad_token=tokenizer.pad_token)
    trainer = train_on(run, lambda: DPOTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(short), processing_class=tokenizer))
    last = [entry for entry in trainer.state.log_history if "rewards/accuracies" in entry]
    run.extra = {"beta": options.beta, "chosen_over_rejected": last[-1]["rewards/accuracies"] if last else None}
    run.finish(model, tokenizer)


if __name__ == "__main__":
    main()
