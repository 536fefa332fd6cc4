"""Whether a new model may take the embedded one's place: `python -m micromind.candidate --after FOLDER --data FOLDER`.

Both are measured alike: bits per byte of held-out texts, and our own dialogues, greedy and with the default sampling under three seeds. The new
one is better only if it is worse in nothing, and clearly better in held-out texts or in unseen dialogues; the exit code says so too (0: better,
3: not). Nothing is replaced.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from transformers import set_seed

from micromind import data, dialogues, evaluate, folders, report
from micromind.answering import LocalAnswerer
from micromind.prepare import prepared
from micromind.problems import StageError, command
from micromind.stage import command_line

log = logging.getLogger(__name__)

EMBEDDED = Path(__file__).parents[1] / "models" / "micromind"
SEEDS = (1, 2, 3)
TOKENS = 256  # of an answer, as the server would let it write
TEXTS = 10  # of each source's held-out part
GROUPS = ("(seen in training)", "(not seen)", "refusal")
MARGIN = 0.01  # a preference stage that left every count of the dialogues as it was gave 0.0003 of the bits per byte
BITS, UNSEEN = "held out, bits per byte", "right (not seen)"
NOT_BETTER = 3


def measure(folder: Path, plan: evaluate.Plan) -> dict[str, Any]:
    """Held-out bits per byte by source, and the dialogues' summaries by way of sampling."""
    model, tokenizer = folders.load(folder)
    bits = {name: one["bits_per_byte"] for name, one in evaluate.held_out(model.eval(), tokenizer, plan).items()}
    answerer = LocalAnswerer(model, tokenizer)
    greedy = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    ways: list[tuple[str, int, dict[str, Any]]] = [
        ("greedy", plan.seed, greedy),
        *((f"sampled, seed {seed}", seed, folders.SAMPLING) for seed in SEEDS),
    ]
    asked = {}
    for name, seed, sampling in ways:
        questions = dialogues.questions()
        set_seed(seed)
        dialogues.ask(answerer, questions, **sampling | {"max_new_tokens": plan.amounts.tokens})
        asked[name] = dialogues.summary(questions)
        log.info("%s, %s: %s", folder.name, name, asked[name]["right"])
    return {"held_out": bits, "dialogues": asked}


def figures(measured: dict[str, Any]) -> dict[str, float]:
    """All that is compared, by name; more is better, so what is best small is negative."""
    bits = measured["held_out"]
    found = {BITS: -sum(bits.values()) / len(bits)} if bits else {}
    for way, summary in measured["dialogues"].items():
        for group in GROUPS:
            if group in summary["right"]:
                found[f"right {group}, {way}"] = float(summary["right"][group].partition("/")[0])
        found[f"stopped by itself, {way}"] = summary["stopped"]
        found[f"loops, {way}"] = -summary["loops"]
        found[f"empty, {way}"] = -float(summary["empty"])
    return found


def verdict(before: dict[str, float], after: dict[str, float]) -> tuple[bool, list[str]]:
    """Whether the new one is better, and in what it is worse. Of the bits per byte less than MARGIN of them is neither."""
    slack = {name: MARGIN * abs(value) if name == BITS else 0.0 for name, value in before.items()}
    worse = [name for name, value in before.items() if after[name] < value - slack[name]]
    clearly = [name for name, value in before.items() if name.startswith((BITS, UNSEEN)) and after[name] > value + slack[name]]
    return not worse and bool(clearly), worse


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.candidate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data.add_arguments(parser)
    parser.add_argument("--before", type=Path, default=EMBEDDED, help="folder of the model that is there (default: the embedded one)")
    parser.add_argument("--after", type=Path, required=True, help="folder of the new model")
    parser.add_argument("--root", type=Path, default=folders.ROOT)
    parser.add_argument("--output", type=Path, help="folder for the figures and candidate.md (default: training/candidate beside ROOT)")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if options.data is None:
        raise StageError("--data (or MICROMIND_DATA) must name the folder with the sources: both models are measured on their held-out part.")
    output = options.output or options.root.parent / "training" / "candidate"
    output.mkdir(parents=True, exist_ok=True)
    amounts = evaluate.Amounts(documents=TEXTS, sums=0, gsm8k=0, dialogues=None, tokens=TOKENS)
    plan = evaluate.Plan(amounts, prepared(options.data, options.root), None, options.seed, None, "")
    found = {}
    for role, folder in (("before", options.before), ("after", options.after)):
        asked, known = evaluate.asked_of(folder, plan), folders.read_record(output, f"{role}.json")
        if known.get("asked") != asked:
            known = {"folder": str(folder), "asked": asked, **measure(folder, plan)}
            folders.write_record(output, known, f"{role}.json")
        found[role] = figures(known)
    better, worse = verdict(found["before"], found["after"])
    said = (
        "The new model is better."
        if better
        else f"The new model is not better: worse in {', '.join(worse) or 'nothing, and not clearly better in anything'}."
    )
    rows = [[name, report.number(abs(value), 3), report.number(abs(found["after"][name]), 3)] for name, value in found["before"].items()]
    written = f"`{command_line('candidate')}`\n\n{report.table(['', str(options.before), str(options.after)], rows)}\n\n{said}\n"
    (output / "candidate.md").write_text(written, encoding="utf-8")
    log.info("%s", written)
    if not better:
        sys.exit(NOT_BETTER)


if __name__ == "__main__":
    main()
