"""Numbers into words: medians over the rounds, ratios, the targets, and the section of docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

MARKS = "<!-- benchmarks/serve.py: begin -->", "<!-- benchmarks/serve.py: end -->"
Json = dict[str, Any]


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def summarise(rounds: Sequence[Json]) -> Json:
    """Several rounds of one contender at one number of clients: the median of each figure over the rounds.

    p50 and p99 are taken within each round, over its clients or its tokens, and then the median over the rounds.
    """
    figures: Json = {"tokens": round(median(r["tokens"] for r in rounds))}
    figures["tokens_per_s"] = round(median(r["tokens"] / r["seconds"] for r in rounds), 1)
    figures["first_p50_ms"] = round(median(percentile(r["first_s"], 0.5) for r in rounds) * 1000, 1)
    figures["first_p99_ms"] = round(median(percentile(r["first_s"], 0.99) for r in rounds) * 1000, 1)
    figures["cpu_s_per_1000_tokens"] = round(median(r["cpu_s"] / r["tokens"] * 1000 for r in rounds), 2)
    for kind in ("yielded", "decoded"):
        if kind in rounds[0]:
            figures[f"{kind}_p50_ms"] = round(median(percentile(r[kind], 0.5) for r in rounds), 2)
            figures[f"{kind}_p99_ms"] = round(median(percentile(r[kind], 0.99) for r in rounds), 2)
    return figures


def ratios(ours: Sequence[Json], theirs: Sequence[Json]) -> Json:
    """Round by round, because what else the computer does changes over the rounds; then the median."""
    speed = [(a["tokens"] / a["seconds"]) / (b["tokens"] / b["seconds"]) for a, b in zip(ours, theirs, strict=True)]
    first = [percentile(a["first_s"], 0.5) / percentile(b["first_s"], 0.5) for a, b in zip(ours, theirs, strict=True)]
    return {"tokens_per_s": round(median(speed), 2), "first": round(median(first), 2)}


def targets(result: Json) -> list[tuple[str, str, bool]]:
    """(what, what came, reached)"""
    eight = next((row for row in result["clients"] if row["clients"] == 8), None)
    rows: list[tuple[str, str, bool]] = []
    if eight:
        speed, first = eight["ratio"]["tokens_per_s"], eight["ratio"]["first"]
        rows.append(("tokens/s at 8 clients: at least 3 × the tutorial's", f"{speed} ×", speed >= 3))
        rows.append(("first token at 8 clients: at most 0.5 × the tutorial's", f"{first} ×", first <= 0.5))
        added = eight["llmsite"]["yielded_p50_ms"]
        rows.append(("added per token at 8 clients, p50: at most 5 ms", f"{added} ms", added <= 5))
    above = result["memory"]["above_mb"]
    rows.append(("memory above the bare model process: at most 150 MB", f"{above} MB", above <= 150))
    return rows


def markdown(result: Json) -> str:
    lines = ["| | " + " | ".join(f"{row['clients']} client{'s' if row['clients'] > 1 else ''}" for row in result["clients"]) + " |"]
    lines.append("|---|" + "---:|" * len(result["clients"]))

    def line(title: str, *path: str, unit: str = "") -> None:
        cells = []
        for row in result["clients"]:
            value: Any = row
            for name in path:
                value = value[name]
            cells.append(f"{value}{unit}")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")

    line("tokens/s, llmsite", "llmsite", "tokens_per_s")
    line("tokens/s, the tutorial's way", "tutorial", "tokens_per_s")
    line("tokens/s, the engine without a server", "bare", "tokens_per_s")
    line("**tokens/s, ratio to the tutorial's way**", "ratio", "tokens_per_s", unit=" ×")
    line("first token p50, llmsite", "llmsite", "first_p50_ms", unit=" ms")
    line("first token p50, the tutorial's way", "tutorial", "first_p50_ms", unit=" ms")
    line("**first token p50, ratio**", "ratio", "first", unit=" ×")
    line("first token p99, llmsite", "llmsite", "first_p99_ms", unit=" ms")
    line("first token p99, the tutorial's way", "tutorial", "first_p99_ms", unit=" ms")
    line("added per token by the server, p50", "llmsite", "yielded_p50_ms", unit=" ms")
    line("added per token by the server, p99", "llmsite", "yielded_p99_ms", unit=" ms")
    line("the same with the way out of the engine's thread, p50", "llmsite", "decoded_p50_ms", unit=" ms")
    line("the same with the way out of the engine's thread, p99", "llmsite", "decoded_p99_ms", unit=" ms")
    line("processor time per 1000 tokens, llmsite", "llmsite", "cpu_s_per_1000_tokens", unit=" s")
    line("processor time per 1000 tokens, the tutorial's way", "tutorial", "cpu_s_per_1000_tokens", unit=" s")
    line("processor time per 1000 tokens, the engine without a server", "bare", "cpu_s_per_1000_tokens", unit=" s")
    memory = result["memory"]
    lines += ["", "| memory after the load | MB |", "|---|---:|"]
    lines += [f"| {title} | {memory[key]} |" for title, key in MEMORY]
    lines += ["", "| target | came out | |", "|---|---:|---|"]
    lines += [f"| {what} | {came} | {'reached' if reached else '**missed**'} |" for what, came, reached in targets(result)]
    return "\n".join(lines)


MEMORY = [
    ("llmsite", "llmsite_mb"),
    ("the engine without a server", "bare_mb"),
    ("**above the bare model process**", "above_mb"),
    ("the tutorial's server", "tutorial_mb"),
]


def about(result: Json) -> str:
    """What was run, where and when."""
    machine = result["machine"]
    return (
        f"Measured on {result['when']} on {machine}. Model: {result['model']}; {result['rounds']} rounds, alternating; greedy, at most "
        f"{result['max_tokens']} new tokens an answer; llmsite takes {result['max_streams']} answers at once, more wait. "
        "Figures are medians over the rounds; ratios are taken round by round."
    )


def write_section(file: Path, result: Json) -> None:
    """Replace what stands between the marks."""
    text = file.read_text(encoding="utf-8")
    begin, end = map(re.escape, MARKS)
    section = f"{MARKS[0]}\n\n{about(result)}\n\n{markdown(result)}\n\n{MARKS[1]}"
    changed, count = re.subn(f"{begin}.*{end}", lambda _: section, text, flags=re.S)
    if count != 1:
        raise ValueError(f"{file} must have the marks {MARKS[0]} and {MARKS[1]} once")
    file.write_text(changed, encoding="utf-8")
