"""The server's own share: what it takes of the processor beside the engine, and what it adds to a token, at eight answers at once.

python -m benchmarks.share [--model FOLDER] [--clients 8] [--rounds 3] [--json FILE] [--write]

The engine's thread is told from the others by its name; torch's own threads count as the engine's. What is left is the server: the loop with its
sockets, the thread of the database, the threads that make prompts. The model is measured at its own speed: with its own answers (the embedded
model's are short, so their beginnings and ends count most), and with long ones, for which its end token is ignored. 50 tokens a second for each
phone, which is faster than anybody reads, are measured with the fake engine, whose own cost is measured alone and taken off.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks import many_phones
from benchmarks.contenders import ROOT, Ours
from benchmarks.load import QUESTIONS
from benchmarks.many_phones import Load
from benchmarks.report import percentile
from benchmarks.sections import replace_section
from benchmarks.serve import machine

Json = dict[str, Any]
SECTION = "benchmarks/share.py"
ENGINE = "engine "
"""How the name of an engine's thread begins."""


def server_threads(ours: Ours) -> set[int]:
    """The threads that are not the engine's."""
    lines = ours.stamps.read_text().splitlines()
    known: dict[str, int] = json.loads(lines[-1])["threads"]
    return {number for name, number in known.items() if not name.startswith(ENGINE)}


def cpu_by_thread(ours: Ours) -> dict[int, float]:
    assert ours.process is not None
    return {thread.id: thread.user_time + thread.system_time for thread in psutil.Process(ours.process.pid).threads()}


def one_round(ours: Ours, load: Load, answers_each: int) -> Json:
    asked = {"temperature": 0, "repetition_penalty": 1.0, "max_tokens": ours.max_tokens}
    before = cpu_by_thread(ours)
    bursts = [load.tell(ask=QUESTIONS[turn:] + QUESTIONS[:turn], options=asked) for turn in range(answers_each)]
    after = cpu_by_thread(ours)
    used = {number: seconds - before.get(number, 0.0) for number, seconds in after.items()}
    server = sum(used.get(number, 0.0) for number in server_threads(ours))
    seconds = sum(burst["ended"] - burst["began"] for burst in bursts)
    answers = [answer for burst in bursts for answer in burst["answers"]]
    stamps = ours.read_stamps("decoded")
    added = [
        (when - decoded) * 1000
        for answer in answers
        for first, last, when in answer["pieces"]
        for piece in range(first, last + 1)
        for decoded in stamps[answer["run"]][piece - 1]
    ]
    tokens = sum(answer["tokens"] for answer in answers)
    return {
        "tokens_per_s": tokens / seconds,
        "tokens_per_answer": tokens / len(answers),
        "lost": sum(answer["lost"] for answer in answers),
        "tokens_per_frame": len(added) / sum(len(answer["pieces"]) for answer in answers),
        "added_p50_ms": percentile(added, 0.5),
        "added_p99_ms": percentile(added, 0.99),
        "of_process": server / sum(used.values()),
        "of_machine": server / seconds / (psutil.cpu_count() or 1),
        "us_per_token": server / tokens * 1e6,
    }


def at_own_speed(options: Namespace, *, endless: bool) -> Json:
    with tempfile.TemporaryDirectory(prefix="llmsite-benchmark-") as folder:
        ours = Ours(options.model, options.max_tokens, Path(folder))
        ours.environment |= {"LLMSITE_MDNS": "0", "BENCH_ENGINE_ONLY": "1", "BENCH_ENDLESS": "1" if endless else ""}
        with ours:
            load = Load(ours.port)
            try:
                load.tell(open=[""] * options.clients)
                load.tell(ask=QUESTIONS, options={"max_tokens": 16})
                rounds = [one_round(ours, load, 2 if endless else 8) for _ in range(options.rounds)]
            finally:
                load.end()
    return {name: median(figures[name] for figures in rounds) for name in rounds[0]}


def at_fifty(options: Namespace) -> Json:
    asked = Namespace(
        idle=0, streams=options.clients, words=options.words, rounds=options.rounds, databases="sqlite", machine=options.machine, json=None
    )
    found = many_phones.run(asked)
    figures = found["databases"]["sqlite"]
    server = figures["cpu"] - found["engine_cpu"]
    return {
        "tokens_per_s": figures["pieces"] / figures["seconds"],
        "tokens_per_answer": options.words,
        "lost": figures["lost"],
        "tokens_per_frame": figures["pieces"] / figures["frames"],
        "added_p50_ms": figures["added_p50_ms"],
        "added_p99_ms": figures["added_p99_ms"],
        "of_process": None,
        "of_machine": server / (psutil.cpu_count() or 1),
        "us_per_token": server * figures["seconds"] / figures["pieces"] * 1e6,
    }


ROWS = (
    ("tokens/s in all", "tokens_per_s", "{:.0f}"),
    ("tokens an answer", "tokens_per_answer", "{:.0f}"),
    ("tokens in a frame", "tokens_per_frame", "{:.2f}"),
    ("from the engine's thread to the phone, p50", "added_p50_ms", "{:.2f} ms"),
    ("the same, p99", "added_p99_ms", "{:.1f} ms"),
    ("**the server's share of the computer's processor time**", "of_machine", "{:.1%}"),
    ("its share of what the process used", "of_process", "{:.1%}"),
    ("processor time of the server per token, answers' beginnings and ends included", "us_per_token", "{:.0f} µs"),
)


def targets(result: Json) -> list[tuple[str, str, bool]]:
    rows = [result["long"], result["fifty"]]
    shares, added = [row["of_machine"] for row in rows], [row["added_p50_ms"] for row in rows]
    return [
        ("the server's share of the computer's processor time: at most 5 %", " and ".join(f"{s:.1%}" for s in shares), max(shares) <= 0.05),
        ("added to a token, p50: at most 2 ms", " and ".join(f"{a:.2f} ms" for a in added), max(added) <= 2),
    ]


def markdown(result: Json) -> str:
    lines = [
        f"Measured on {result['when']} on {result['machine']}; the phones' process runs on the same cores. Model: {result['model']}; "
        f"{result['clients']} answers at once, {result['rounds']} rounds, medians. At 50 tokens/s the engine is the fake one; its cost is taken off.",
        "",
        "| | its own speed, long answers | its own speed, its own answers | 50 tokens/s each |",
        "|---|---:|---:|---:|",
    ]
    for title, name, form in ROWS:
        cells = [form.format(row[name]) if row[name] is not None else "–" for row in (result["long"], result["own"], result["fifty"])]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    lines += ["", "| target | came out | |", "|---|---:|---|"]
    lines += [f"| {what} | {came} | {'reached' if reached else '**missed**'} |" for what, came, reached in targets(result)]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "models" / "micromind"), help="a model folder (default: the embedded model)")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=400, help="of a long answer")
    parser.add_argument("--words", type=int, default=500, help="pieces of an answer of the fake engine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--machine", help="what to call this computer in the report")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args()
    result = {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": options.machine or machine(),
        "model": Path(options.model).name,
        "clients": options.clients,
        "rounds": options.rounds,
        "long": at_own_speed(options, endless=True),
        "own": at_own_speed(options, endless=False),
        "fifty": at_fifty(options),
    }
    text = markdown(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.write:
        replace_section(many_phones.PERFORMANCE, SECTION, text)
    return 0 if all(reached for _, _, reached in targets(result)) else 1


if __name__ == "__main__":
    sys.exit(main())
