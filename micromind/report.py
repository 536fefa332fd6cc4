"""The comparison of all stages as one Markdown file with plots. A figure that was not measured is a dash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from micromind import folders, plots
from micromind.judge import SCORES

DASH = "–"
Records = Mapping[str, Mapping[str, Any]]


def write(folder: Path, measured: Records, trained: Records) -> None:
    """report.md, bits_per_byte.png and right.png in `folder`, and each stage's curves by reference.

    Args:
        measured: evaluation.json by model name.
        trained: training.json by model name; {} for a model that has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        "# Stages, measured",
        "Answers are greedy. A dash stands where nothing was measured. Each column's command and seed are in the last table.",
        _figures(measured, trained),
        _held_out(measured, folder),
        _scores(measured),
        _answers(measured),
        _commands(measured, trained),
    ]
    (folder / "report.md").write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    folders.write_record(folder, {"models": dict(measured)}, "report.json")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; what would break it is taken out of the cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", "<br>") for cell in line) + " |" for line in lines)


def number(value: Any, digits: int = 2) -> str:
    return DASH if value is None else f"{value:,.{digits}f}"


def percent(value: Any) -> str:
    return DASH if value is None else f"{100 * value:.0f} %"


def _rows(measured: Records, wanted: dict[str, Callable[[Mapping[str, Any]], str]]) -> list[list[str]]:
    return [[name, *(read(record["figures"]) for record in measured.values())] for name, read in wanted.items()]


def _figures(measured: Records, trained: Records) -> str:
    wanted: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "stopped by itself": lambda f: percent(f["format"]["stopped"]),
        "in a loop": lambda f: percent(f["format"]["loops"]),
        "empty": lambda f: percent(f["format"]["empty"]),
        "thinking closed": lambda f: percent(f["format"].get("thinking closed")),
        "sums of two digits": lambda f: percent(f["sums"]),
        "the same, thinking": lambda f: percent(f["sums_thinking"]),
        "GSM8K, thinking": lambda f: percent(f["gsm8k"]),
        "distinct-1": lambda f: number(f["distinct_1"]),
        "distinct-2": lambda f: number(f["distinct_2"]),
        "repeated 4-grams": lambda f: percent(f["repetition"]),
        "our dialogues, right (not in training)": lambda f: f["dialogues"]["right"].get("(not seen)", DASH),
        "our dialogues, right (in training)": lambda f: f["dialogues"]["right"].get("(seen in training)", DASH),
    }
    head = ["", *measured]
    size = [["parameters, M", *(number(record["parameters"] / 1e6) for record in measured.values())]]
    loss = [["training loss, first → last", *(_loss(trained.get(name, {})) for name in measured)]]
    return "## Figures\n\n" + table(head, size + loss + _rows(measured, wanted))


def _loss(record: Mapping[str, Any]) -> str:
    figures = record.get("figures", {})
    return f"{number(figures.get('first_loss'))} → {number(figures.get('last_loss'))}" if figures else DASH


def _held_out(measured: Records, folder: Path) -> str:
    sources = sorted({source for record in measured.values() for source in record["figures"]["held_out"]})
    if not sources:
        return ""
    groups = {
        source: {
            name: record["figures"]["held_out"][source]["bits_per_byte"]
            for name, record in measured.items()
            if source in record["figures"]["held_out"]
        }
        for source in sources
    }
    plots.bars(groups, folder / "bits_per_byte.png", title="Held-out part", label="bits per byte")
    rows = []
    for source in sources:
        figures = [record["figures"]["held_out"].get(source) for record in measured.values()]
        rows.append([source, *(f"{number(f['perplexity'], 1)} ({number(f['bits_per_byte'])})" if f else DASH for f in figures)])
    said = "Perplexity per token, and in brackets bits per byte, of texts that no stage has read."
    return f"## Held-out texts\n\n{said}\n\n![bits per byte](bits_per_byte.png)\n\n" + table(["source", *measured], rows)


def _scores(measured: Records) -> str:
    rows = []
    for name, record in measured.items():
        scores = record["figures"].get("judge", {})
        rows.append([name, *(number(scores.get(score)) for score in SCORES), str(scores.get("judged", DASH)), scores.get("by", DASH)])
    return "## A judge's scores\n\n0 to 10, over the questions below.\n\n" + table(["model", *SCORES, "answers judged", "by"], rows)


def _answers(measured: Records) -> str:
    prompts = list(dict.fromkeys((answer["kind"], answer["prompt"]) for record in measured.values() for answer in record["answers"]))
    rows = []
    for kind, prompt in prompts:
        cells = []
        for record in measured.values():
            found = [answer for answer in record["answers"] if (answer["kind"], answer["prompt"]) == (kind, prompt)]
            cells.append(found[0]["answer"] + ("" if found[0]["ended"] else " … (cut)") if found else DASH)
        rows.append([prompt, *cells])
    return "## The same questions to all\n\n" + table(["question", *measured], rows)


def _commands(measured: Records, trained: Records) -> str:
    rows = []
    for name, record in measured.items():
        made = trained.get(name, {})
        rows.append([name, f"`{made['command']}`" if made else DASH, str(made.get("seed", DASH)), f"`{record['command']}`", str(record["seed"])])
    return "## Commands and seeds\n\n" + table(["model", "trained by", "seed", "measured by", "seed"], rows)
