"""A domain taught by LoRA: `python -m micromind.lora --domain cooking --size tiny --data FOLDER`.

Leaves the merged model, and the adapter alone in `adapter/`. Domains are the sources with a `domain`: cooking, from HowToCook's recipes.
A counselling or medical tone is not among them: the only counselling set at hand (smile_zh) was rewritten from posts that are given out by
request only, and there is no permissive medical set; --conversations takes a file of your own. The loop is trl's SFTTrainer with peft.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from peft import LoraConfig

from micromind import conversations, data, folders, sources
from micromind.document import Document, exchange
from micromind.prepare import prepared
from micromind.problems import StageError, command
from micromind.sft import further
from micromind.stage import Run, parser, train_on

ADAPTER = "adapter"
_QUESTIONS = ("{}怎么做？", "怎么做{}？", "请教我做{}。", "{}的做法", "我想做{}，需要什么，怎么做？")
_TIPS = ("说说{}。", "{}有什么要注意的？", "讲讲{}")


def domains() -> list[str]:
    return sorted({source.domain for source in sources.THIRD_PARTY if source.domain})


def as_conversation(document: Document, rng: random.Random, longest: int) -> Document | None:
    """A recipe ("# X的做法" and its text) as a question and its answer; None for a text without a title.

    The answer is cut at the last heading before `longest` characters: it must fit into a row.
    """
    title, _, body = document.text.partition("\n")
    name = re.fullmatch(r"#\s*(.+)", title.strip())
    if not name or not body.strip():
        return None
    if len(body) > longest:
        body = body[:longest]
        body = body[: max(body.rfind("\n##"), 0) or max(body.rfind("\n"), 1)]
    dish = name[1].removesuffix("的做法")
    question = rng.choice(_QUESTIONS if name[1].endswith("的做法") else _TIPS).format(dish)
    return Document(messages=exchange(question, body.strip()))


def asked(found: list[Document], seed: int, *, longest: int) -> list[Document]:
    """Prose made conversations where it can be; the rest of it is left out."""
    rng = random.Random(seed)
    made = [document if document.messages else as_conversation(document, rng, longest) for document in found]
    return [document for document in made if document]


@command
def main(argv: list[str] | None = None) -> None:
    options_parser = parser("lora", __doc__)
    options_parser.add_argument("--model", type=Path, help="folder of the model to go on from (default: that of the sft stage)")
    options_parser.add_argument("--domain", default="cooking", help=f"one of {', '.join(domains())}; '' for --conversations alone (default: cooking)")
    options_parser.add_argument("--conversations", type=Path, nargs="*", default=[], help="further JSONL files")
    options_parser.add_argument("--rank", type=int, default=16)
    options = options_parser.parse_args(argv)
    if options.domain and options.domain not in domains():
        raise StageError(f"There is no domain {options.domain!r}; there is: {', '.join(domains())}.")
    run = Run("lora", options, before="sft")
    if run.begin():
        adapt(run)


def adapt(run: Run, *, stage: str = "") -> None:
    """The stage itself, on the domain, or on the mixture of another stage."""
    options = run.options
    model, tokenizer = folders.load(options.model)
    options.data = prepared(options.data, options.root, limit=run.limit)
    read = stage or f"lora:{options.domain}"
    found = data.mixture(options.data, stage=read, seed=options.seed, limit=run.limit)
    documents = asked(found, options.seed, longest=run.plan.length * 3 // 4) + further(options.conversations, options.seed)
    rows = conversations.rows_of(documents, tokenizer, run.plan.length)
    run.data = {"files": data.read_from(options.data, read) | {str(file): 1.0 for file in options.conversations}, "conversations": len(rows)}
    lora = LoraConfig(r=options.rank, lora_alpha=2 * options.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = train_on(run, lambda: conversations.sft_trainer(run, model, tokenizer, rows, peft_config=lora))
    adapted = trainer.model
    run.extra = {"rank": options.rank, "trained_parameters": sum(p.numel() for p in adapted.parameters() if p.requires_grad)}
    adapted.save_pretrained(run.folder / ADAPTER)
    run.finish(adapted.merge_and_unload(), conversations.restore(tokenizer))


if __name__ == "__main__":
    main()
