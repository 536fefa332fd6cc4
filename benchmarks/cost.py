"""What so many people cost, reckoned from what was measured (docs/performance.md, "Many phones", "The server's own share"): not a measurement.

    python -m benchmarks.cost --people 2000 --at-once 0.05 --speed 30

An answer of v tokens a second is v / m pieces a second, m tokens to a piece. Each piece costs the same processor time wherever it goes, so

    cores = people * at_once * (v / m * seconds a piece + v / t * seconds an answer) / busy        memory = people * connected * kilobytes a phone

An answer of t tokens also begins and ends: it is stored, waits for its turn and is made final. That is counted for the one process, and for the
engine process, which does it there.
`busy` is how much of a core may be used before answers become uneven; a Python process uses one core at most, so more is more processes.
Models are not in it: what they give is theirs to be measured (`manage.py models check`, `vllm bench serve`).
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass
from pathlib import Path

MEASURED = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BUSY = 0.5


@dataclass(frozen=True)
class Costs:
    """Seconds of one core for a piece of text and for an answer's beginning and end, and bytes for a phone that is connected."""

    one_process_s: float
    engine_s: float
    web_s: float
    redis_s: float
    answer_s: float
    phone_bytes: float


@dataclass(frozen=True)
class Plan:
    pieces_per_s: float
    answers_per_s: float
    one_process_cores: float
    engine_cores: float
    web_cores: float
    redis_cores: float
    phones_bytes: float

    @property
    def one_process_is_enough(self) -> bool:
        return self.one_process_cores <= BUSY

    @property
    def one_engine_is_enough(self) -> bool:
        return self.engine_cores <= BUSY

    @property
    def web_processes(self) -> int:
        return max(2, math.ceil(self.web_cores / BUSY))


def measured(text: str) -> Costs:
    """Read the table of "Many phones": SQLite, PostgreSQL, and PostgreSQL with two web processes. Raises ValueError where a row is missing."""
    each_s = [micro * 1e-6 for micro in _row(text, "processor time per piece, all of it")]
    cores = [percent / 100 for percent in _row(text, "one processor core, the server with its engine")]
    rate = cores[2] / each_s[2]
    engine, web, redis = (_row(text, name)[-1] / 100 for name in ("of it, the engine process", "of it, each web process", "beside it, Redis"))
    phone = _row(text, "memory per idle phone")[-1] * 1000
    return Costs(each_s[1], engine / rate, 2 * web / rate, redis / rate, _answer_s(text), phone)


def _answer_s(text: str) -> float:
    """Long and short answers were measured: what does not grow with their tokens is their beginning and end."""
    long, short = _row(text, "tokens an answer")[:2]
    each_s = [micro * 1e-6 for micro in _row(text, "processor time of the server per token, answers' beginnings and ends included")]
    return max(0.0, (each_s[1] - each_s[0]) / (1 / short - 1 / long))


def plan(costs: Costs, people: int, at_once: float, speed: float, *, connected: float = 1.0, merged: float = 1.0, tokens: float = 300.0) -> Plan:
    """`at_once`, `connected`: shares of the people; `speed`: tokens a second of each answer; `merged`: tokens to a piece; `tokens`: to an answer."""
    pieces, answers = people * at_once * speed / merged, people * at_once * speed / tokens
    return Plan(
        pieces,
        answers,
        pieces * costs.one_process_s + answers * costs.answer_s,
        pieces * costs.engine_s + answers * costs.answer_s,
        pieces * costs.web_s,
        pieces * costs.redis_s,
        people * connected * costs.phone_bytes,
    )


def lines(found: Plan) -> list[str]:
    one = "enough" if found.one_process_is_enough else "too little"
    engine = "enough" if found.one_engine_is_enough else "too little: divide the people among several servers"
    return [
        f"{found.pieces_per_s:,.0f} pieces of text a second, {found.answers_per_s:,.1f} answers",
        f"one process:        {found.one_process_cores:.2f} of its core at most {BUSY}: {one}",
        f"an engine process:  {found.engine_cores:.2f} of its core at most {BUSY}: {engine}",
        f"web processes:      {found.web_processes} ({found.web_cores:.2f} cores in all)",
        f"Redis:              {found.redis_cores:.2f} of a core",
        f"connected phones:   {found.phones_bytes / 1e6:,.0f} MB",
    ]


def _row(text: str, name: str) -> list[float]:
    found = re.search(rf"^\| {re.escape(name)} \|(.+)\|$", text, re.M)
    if found is None:
        raise ValueError(f"expected a row {name!r} in {MEASURED.name}, and there is none")
    return [float(number.replace(",", "")) for number in re.findall(r"[\d,.]*\d", found[1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, required=True)
    parser.add_argument("--at-once", type=float, default=0.05, help="share of them whose answer is being written (default: 0.05)")
    parser.add_argument("--speed", type=float, default=30.0, help="tokens a second of each answer (default: 30)")
    parser.add_argument("--connected", type=float, default=1.0, help="share of them that are connected (default: 1)")
    parser.add_argument("--merged", type=float, default=1.0, help="tokens to a piece of text (default: 1)")
    parser.add_argument("--tokens", type=float, default=300.0, help="to an answer (default: 300)")
    said = parser.parse_args()
    costs = measured(MEASURED.read_text("utf-8"))
    found = plan(costs, said.people, said.at_once, said.speed, connected=said.connected, merged=said.merged, tokens=said.tokens)
    print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
