"""Our server against the tutorial's way and against the engine alone, in one alternating run.

python -m benchmarks.serve [--model FOLDER] [--rounds 5] [--clients 1,8,32] [--json FILE] [--write]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.contenders import ROOT, Bare, Contender, Ours, Tutorial
from benchmarks.load import QUESTIONS, Burst, added_ms
from benchmarks.report import about, markdown, ratios, summarise, targets, write_section

Json = dict[str, Any]
PERFORMANCE = ROOT / "docs" / "performance.md"


async def measure(contender: Contender, clients: int) -> Json:
    """One round of one contender."""
    before = contender.cpu_s()
    if isinstance(contender, Bare):
        answered = await contender.decode_all([QUESTIONS[i % len(QUESTIONS)] for i in range(clients)])
        answers = answered["answers"]
        figures: Json = {
            "tokens": sum(answer["tokens"] for answer in answers),
            "seconds": answered["wall_s"],
            "first_s": [answer["first_s"] for answer in answers],
        }
    else:
        found = await contender.burst(clients)
        figures = _figures(contender, found)
    return figures | {"cpu_s": contender.cpu_s() - before}


def _figures(contender: Contender, found: Burst) -> Json:
    figures: Json = {"tokens": found.tokens, "seconds": found.seconds, "first_s": found.first_s}
    if isinstance(contender, Ours):
        figures |= {kind: added_ms(found.answers, contender.read_stamps(kind)) for kind in ("yielded", "decoded")}
    return figures


async def run(contenders: Sequence[Contender], clients: Sequence[int], rounds: int) -> dict[int, dict[str, list[Json]]]:
    """Everybody in turn, again and again: what else the computer does falls on all alike."""
    found: dict[int, dict[str, list[Json]]] = {count: {contender.name: [] for contender in contenders} for count in clients}
    for contender in contenders:  # to warm up
        await measure(contender, 2)
    for number in range(rounds):
        for count in clients:
            for contender in contenders:
                figures = await measure(contender, count)
                found[count][contender.name].append(figures)
                speed = figures["tokens"] / figures["seconds"]
                print(f"round {number + 1}/{rounds}, {count:2} clients, {contender.name:8} {speed:7.1f} tokens/s", file=sys.stderr, flush=True)
    return found


def result_of(found: dict[int, dict[str, list[Json]]], contenders: Sequence[Contender], options: argparse.Namespace) -> Json:
    memory = {f"{contender.name}_mb": round(contender.memory() / 1e6) for contender in contenders}
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": options.machine or machine(),
        "model": Path(options.model).name,
        "rounds": options.rounds,
        "max_tokens": options.max_tokens,
        "max_streams": next(contender.max_streams for contender in contenders if isinstance(contender, Bare)),
        "clients": [
            {"clients": count, "ratio": ratios(by_name["llmsite"], by_name["tutorial"])} | {name: summarise(all_) for name, all_ in by_name.items()}
            for count, by_name in found.items()
        ],
        "memory": memory | {"above_mb": memory["llmsite_mb"] - memory["bare_mb"]},
    }


def machine() -> str:
    """In words, and without a name."""
    gib = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores ({platform.machine()}), {gib:.0f} GiB of memory, {platform.system()}, no GPU used"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "models" / "micromind"), help="a model folder (default: the embedded model)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", default="1,8,32", help="how many at once, in turn (default: 1,8,32)")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--machine", help="what to call this computer in the report")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args()
    clients = [int(count) for count in options.clients.split(",")]

    with tempfile.TemporaryDirectory(prefix="llmsite-benchmark-") as folder:
        made = [kind(options.model, options.max_tokens, Path(folder)) for kind in (Ours, Tutorial, Bare)]
        with made[0], made[1], made[2]:
            found = asyncio.run(run(made, clients, options.rounds))
            result = result_of(found, made, options)
    print(f"{about(result)}\n\n{markdown(result)}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.write:
        write_section(PERFORMANCE, result)
    return 0 if all(reached for _, _, reached in targets(result)) else 1


if __name__ == "__main__":
    sys.exit(main())
