"""Measures finished stages side by side: `python -m micromind.evaluate --size tiny --data FOLDER` (all of that size), or --models A B.

Held-out perplexity and bits per byte of each source, format, GSM8K and sums of two digits, variety, our own dialogues, the source material's
questions, and a judge's scores if --judge names one. Each model folder gets evaluation.json, the report folder report.md and its plots.
What was measured before, of the same weights and in the same way, is not measured again: an interrupted evaluation goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from micromind import data, dialogues, folders, measures, report
from micromind.answering import Answer, Answerer, LocalAnswerer, open_answerer
from micromind.document import Message
from micromind.grpo import last_number, questions
from micromind.judge import judge
from micromind.prepare import RECORD as RECORD_OF_DATA
from micromind.prepare import plain_documents, prepared
from micromind.problems import StageError, command
from micromind.sizes import SIZES, STAGES
from micromind.stage import command_line

log = logging.getLogger(__name__)

RECORD = "evaluation.json"
FORM = 1  # to be raised when what this module measures changes
COMPARISON = data.OWN_FOLDER / "comparison.jsonl"
GSM8K = Path("gsm8k") / "gsm8k_test_reason.jsonl"
THINKERS = ("reason", "grpo")
SUMS_SEED = 20_000  # not one that a stage trains with


@dataclass(frozen=True)
class Amounts:
    """How much is asked."""

    documents: int
    """Of each source's held-out part."""
    sums: int
    gsm8k: int
    dialogues: int | None
    tokens: int
    """The longest answer."""


AMOUNTS = {
    "tiny": Amounts(documents=10, sums=50, gsm8k=20, dialogues=20, tokens=64),
    "small": Amounts(documents=50, sums=200, gsm8k=200, dialogues=None, tokens=256),
    "base": Amounts(documents=200, sums=500, gsm8k=1319, dialogues=None, tokens=512),
}


@dataclass(frozen=True)
class Plan:
    """What is measured with."""

    amounts: Amounts
    prepared: Path | None
    gsm8k: Path | None
    seed: int
    judge: Answerer | None
    judged_by: str


def measure(folder: Path, plan: Plan) -> dict[str, Any]:
    """All figures of one model folder. Answers are greedy, so that they depend on the model alone."""
    model, tokenizer = folders.load(folder)
    if torch.cuda.is_available():
        model = model.to("cuda")
    trained = folders.read_record(folder)
    thinking = trained.get("stage") in THINKERS
    answerer = LocalAnswerer(model, tokenizer)
    greedy = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None, "max_new_tokens": plan.amounts.tokens}
    set_seed(plan.seed)
    compared = compare(answerer, continues=trained.get("stage") == "pretrain", thinking=thinking, **greedy)
    asked = dialogues.questions()[: plan.amounts.dialogues]
    dialogues.ask(answerer, asked, **greedy)
    texts = [answer for dialogue in asked for answer in dialogue.answers] + [answer.text for _, answer in compared]
    figures: dict[str, Any] = {
        "held_out": held_out(model, tokenizer, plan),
        "format": measures.format_rates([answer for _, answer in compared], thinking=thinking),
        "sums": sums(answerer, plan, thinking=False, **greedy),
        "sums_thinking": sums(answerer, plan, thinking=True, **greedy),
        "gsm8k": gsm8k(answerer, plan, **greedy),
        "distinct_1": measures.distinct(texts, 1),
        "distinct_2": measures.distinct(texts, 2),
        "repetition": measures.repetition(texts),
        "dialogues": dialogues.summary(asked),
    }
    chat = [(prompt, answer.text) for (kind, prompt), answer in compared if kind == "chat"]
    if plan.judge:
        figures["judge"] = judge(plan.judge, chat) | {"by": plan.judged_by}
    return {
        "command": command_line("evaluate"),
        "seed": plan.seed,
        "thinking": thinking,
        "parameters": model.num_parameters(),
        "amounts": plan.amounts.__dict__,
        "figures": figures,
        "answers": [{"kind": kind, "prompt": prompt, "answer": answer.text, "ended": answer.ended} for (kind, prompt), answer in compared],
    }


def asked_of(folder: Path, plan: Plan) -> dict[str, Any]:
    """All that a model's figures depend on: while it is the same, they need not be measured again."""
    weights = {file.name: f"{file.stat().st_size}-{file.stat().st_mtime_ns}" for file in sorted(folder.glob("*.safetensors"))}
    texts = b"".join(file.read_bytes() for file in (COMPARISON, dialogues.QUESTIONS))
    return {
        "form": FORM,
        "weights": weights,
        "questions": hashlib.sha256(texts).hexdigest(),
        "held_out": str(plan.prepared) if plan.prepared else None,
        "inputs": folders.read_record(plan.prepared, RECORD_OF_DATA).get("inputs") if plan.prepared else None,
        "gsm8k": str(plan.gsm8k) if plan.gsm8k else None,
        "seed": plan.seed,
        "amounts": plan.amounts.__dict__,
        "judge": plan.judged_by,
    }


def compare(answerer: LocalAnswerer, *, continues: bool, thinking: bool, **sampling: Any) -> list[tuple[tuple[str, str], Answer]]:
    """The source material's questions. A pretrained model continues the texts; the others are asked them all."""
    asked = [(str(record["kind"]), str(record["prompt"])) for record in data.read_jsonl(COMPARISON)]
    prompts = [[Message(role="user", content=prompt)] for _, prompt in asked]
    answers = answerer(prompts, thinking=thinking, **sampling)
    if continues:
        places = [place for place, (kind, _) in enumerate(asked) if kind == "continue"]
        for place, answer in zip(places, answerer.go_on([asked[place][1] for place in places], **sampling), strict=True):
            answers[place] = answer
    return list(zip(asked, answers, strict=True))


def held_out(model: Any, tokenizer: Any, plan: Plan) -> dict[str, Any]:
    """By source, of the part that no stage has read."""
    if plan.prepared is None:
        return {}
    found = {}
    for name, file in held_out_files(plan.prepared).items():
        documents = plain_documents(file)
        some = random.Random(plan.seed).sample(documents, min(plan.amounts.documents, len(documents)))
        if figures := measures.surprise(model, tokenizer, some):
            found[name] = figures
    return found


def held_out_files(folder: Path) -> dict[str, Path]:
    """The texts and conversations of a prepared folder's held-out part, by their sources' names; pairs of answers are none."""
    base = folder / "held_out"
    return {str(file.relative_to(base)): file for file in sorted(base.rglob("*.jsonl")) if "dpo" not in file.name}


def sums(answerer: Answerer, plan: Plan, *, thinking: bool, **sampling: Any) -> float:
    """The share of sums of two digits that come out right."""
    asked = questions(plan.amounts.sums, SUMS_SEED)
    answers = answerer([record["prompt"] for record in asked], thinking=thinking, **sampling)
    return measures.sums_right(answers, [record["result"] for record in asked], last_number)


def gsm8k(answerer: Answerer, plan: Plan, **sampling: Any) -> float | None:
    """The share of GSM8K's test questions that come out right, with thinking; None without the file."""
    if plan.gsm8k is None:
        return None
    records = list(data.read_jsonl(plan.gsm8k))
    some = random.Random(plan.seed).sample(records, min(plan.amounts.gsm8k, len(records)))
    answers = answerer([[Message(role="user", content=record["messages"][0]["content"])] for record in some], thinking=True, **sampling)
    return measures.sums_right(answers, [str(record["answer"]).replace(",", "") for record in some], last_number)


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data.add_arguments(parser)
    parser.add_argument("--size", choices=SIZES, default="tiny", help="which stages, and how much is asked of them")
    parser.add_argument("--amounts", choices=AMOUNTS, help="ask as much as at this size")
    parser.add_argument("--root", type=Path, default=folders.ROOT)
    parser.add_argument("--models", type=Path, nargs="*", help="model folders (default: all finished stages of the size)")
    parser.add_argument("--judge", metavar="MODEL", help="a model folder, or NAME@URL of an OpenAI-compatible server (key: MICROMIND_API_KEY)")
    parser.add_argument("--output", type=Path, help="folder for the report (default: training/report-SIZE beside ROOT)")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    stages = [folders.stage_folder(options.root, options.size, stage) for stage in STAGES]
    chosen = options.models or [folder for folder in stages if (folder / "config.json").is_file()]
    if not chosen:
        raise StageError(f"There is no finished stage of size {options.size} in {options.root}. --models names other folders.")
    gsm8k_file = options.data / GSM8K if options.data else None
    plan = Plan(
        amounts=AMOUNTS[options.amounts or options.size],
        prepared=prepared(options.data, options.root, limit=SIZES[options.size].documents),
        gsm8k=gsm8k_file if gsm8k_file and gsm8k_file.is_file() else None,
        seed=options.seed,
        judge=open_answerer(options.judge) if options.judge else None,
        judged_by=options.judge or "",
    )
    measured = {}
    for folder in chosen:
        asked, known = asked_of(folder, plan), folders.read_record(folder, RECORD)
        if known.get("asked") == asked and not options.fresh:
            log.info("%s was measured before (--fresh measures it again)", folder.name)
        else:
            log.info("measuring %s", folder.name)
            known = measure(folder, plan) | {"asked": asked}
            folders.write_record(folder, known, RECORD)
        measured[folder.name] = known
    output = options.output or options.root.parent / "training" / f"report-{options.size}"
    report.write(output, measured, {folder.name: folders.read_record(folder) for folder in chosen})
    log.info("%s", output / "report.md")


if __name__ == "__main__":
    main()
