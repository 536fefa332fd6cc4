"""What `benchmarks.compare` found, as words: medians over the rounds, ratios within a round, tables, and the section of docs/performance.md.

A ratio says how many times better ours is, whatever is better: above 1 ours is ahead, below 1 behind.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import ROOT
from benchmarks.report import percentile

if TYPE_CHECKING:
    from benchmarks.compare import Lengths, Run
    from benchmarks.peers import Peer, Setup

Json = dict[str, Any]
DOCS = ROOT / "docs"
OURS = "llmsite"
LARGER_IS_BETTER = {"tokens_per_s", "prompt_tokens_per_s"}
SHOWN_TURNS = (1, 2, 5, 10, 15, 20)
MARK = "<!-- benchmarks/compare.py {}: {} -->"

Figure = Callable[[Json], float | None]
"""Of one round."""


def _ms(values: Sequence[float], share: float) -> float | None:
    return percentile(values, share) * 1000 if values else None


BURST: dict[str, Figure] = {
    "tokens_per_s": lambda one: one["tokens"] / one["seconds"],
    "first_ms": lambda one: _ms(one["first_s"], 0.5),
    "per_token_ms": lambda one: median(one["per_token_s"]) * 1000 if one["per_token_s"] else None,
    "gap_p50_ms": lambda one: _ms(one["gaps_s"], 0.5),
    "gap_p99_ms": lambda one: _ms(one["gaps_s"], 0.99),
    "cpu_ms_per_token": lambda one: one["cpu_s"] / one["tokens"] * 1000,
}
COMPANY: dict[str, Figure] = {
    "gap_p99_ms": lambda one: _ms(one["gaps_s"], 0.99),
    "gap_most_ms": lambda one: _ms(one["gaps_s"], 1.0),
    "long_first_ms": lambda one: one["long_first_s"] * 1000,
}
TURNS: dict[str, Figure] = {f"turn_{turn}_ms": lambda one, at=turn: _at(one["first_s"], at) for turn in SHOWN_TURNS}  # type: ignore[misc]
TURNS |= {
    "growth": lambda one: one["first_s"][-1] / one["first_s"][1] if len(one["first_s"]) > 2 else None,
    "again_ms": lambda one: one["again_s"] * 1000,
    "go_on_ms": lambda one: one["go_on_s"] * 1000 if "go_on_s" in one else None,
}
FIGURES = {"short": BURST, "long": BURST, "turns": TURNS, "between": TURNS, "company": COMPANY}


def _at(firsts: Sequence[float], turn: int) -> float | None:
    return firsts[turn - 1] * 1000 if turn <= len(firsts) else None


def summarise(kind: str, rounds: Sequence[Json], ours: Sequence[Json]) -> Json:
    """The median of each figure over the rounds, and of its ratio to ours; `ours`: the rounds of our server, in the same order."""
    figures: Json = {"rounds": len(rounds), "ratio": {}}
    for name, figure in FIGURES[kind].items():
        values = [value for one in rounds if (value := figure(one)) is not None]
        figures[name] = _rounded(median(values)) if values else None
        pairs = [(figure(own), figure(one)) for own, one in zip(ours, rounds, strict=False)]
        ratios = [ratio(name, own, theirs) for own, theirs in pairs if own and theirs]
        figures["ratio"][name] = round(median(ratios), 2) if ratios else None
    if kind in ("turns", "between"):
        figures["first_ms"] = [_rounded(median(times) * 1000) for times in zip(*(one["first_s"] for one in rounds), strict=True)]
    if kind in ("short", "long"):
        figures["same_text"] = round(median(same_beginning(own["text"], one["text"]) for own, one in zip(ours, rounds, strict=False)), 2)
    return figures


def ratio(name: str, ours: float, theirs: float) -> float:
    """Above 1: ours is better."""
    return ours / theirs if name in LARGER_IS_BETTER else theirs / ours


def same_beginning(ours: str, theirs: str) -> float:
    """The share of the text that is the same from its beginning on, but for white space and the marks around thinking, which not all let through."""
    ours, theirs = (re.sub(r"</?think>|\s+", "", text) for text in (ours, theirs))
    length = max(len(ours), len(theirs))
    same = next((at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return same / length if length else 1.0


def _rounded(value: float) -> float:
    """Three digits that say something."""
    return round(value, 2 if value < 10 else 1 if value < 100 else 0)


def result_of(
    model: str, kinds: Sequence[type[Peer]], done: Run, memory: dict[str, int], lengths: Lengths, setup: Setup, options: argparse.Namespace
) -> Json:
    from benchmarks.roofline import roofline, share_of
    from benchmarks.serve import machine

    scenes = []
    limit = roofline(setup.folder, setup.precision, done.bandwidths)
    for scene, by_name in done.found.items():
        ours = by_name[OURS]
        figures = {name: summarise(scene.kind, rounds, ours) for name, rounds in by_name.items() if rounds and ours}
        if (scene.kind, scene.clients) == ("short", 1):
            for name, found in figures.items():
                found["of_roofline"] = share_of(limit, [BURST["per_token_ms"](one) for one in by_name[name]], done.bandwidths)
        failed = {name: why for (where, name), why in done.failed.items() if where == scene}
        scenes.append({"kind": scene.kind, "clients": scene.clients, "figures": figures, "failed": failed})
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": options.machine or machine(),
        "model": model,
        "precision": setup.precision,
        "rounds": done.rounds,
        "tokens": vars(lengths) | {"turns": options.turns},
        "asked_tokens": options.tokens,
        "versions": _versions(setup.llama_python),
        "roofline": limit,
        "peers": [
            {
                "name": kind.name,
                "title": kind.title,
                "about": kind.about,
                "memory_mb": round(memory[kind.name] / 1e6) if memory.get(kind.name) else None,
                "left_out": done.left_out.get(kind.name),
            }
            for kind in kinds
        ],
        "scenes": scenes,
        "raw": [
            {"kind": scene.kind, "clients": scene.clients, "peer": name, "rounds": rounds}
            for scene, by_name in done.found.items()
            for name, rounds in by_name.items()
        ],
    }


def _versions(llama_python: str) -> dict[str, str]:
    found = {}
    for package in ("torch", "transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    asked = "from importlib.metadata import version; print(version('llama-cpp-python'))"
    done = subprocess.run([llama_python, "-c", asked], capture_output=True, text=True, check=False)
    if not done.returncode:
        found["llama-cpp-python"] = done.stdout.strip()
    return found


# --- words ---------------------------------------------------------------------------------------------------------------------


def about(result: Json) -> str:
    """What was run, where, when and with which versions."""
    tokens, versions = result["tokens"], ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    return (
        f"Measured on {result['when']} on {result['machine']}; {versions}. Model: {result['model']}, {PRECISIONS[result['precision']]}. "
        f"{result['rounds']} rounds, alternating, and while one is measured the others stand still. Greedy, {tokens['answer']} tokens an answer, "
        f"which no model ends earlier. Figures are medians over the rounds; in brackets the ratio to ours, taken within a round: "
        f"**above 1 × ours is better**."
    )


PRECISIONS = {
    "16bit": "16-bit weights: bfloat16, at llama.cpp f16 where nothing else is said",
    "int8": "8-bit weights: ours int8, llama.cpp Q8_0",
    "int4": "4-bit weights: ours int4, llama.cpp Q4_0, of which llama.cpp keeps the head in 8 bits",
}


def markdown(result: Json) -> str:
    parts = [peers_table(result), roofline_words(result), targets_table(result)]
    parts += [scene_table(result, scene) for scene in result["scenes"] if scene["kind"] in ("short", "long")]
    parts += [turns_table(result), company_table(result)]
    return "\n\n".join(part for part in parts if part)


def peers_table(result: Json) -> str:
    rows = []
    ours = next((peer["memory_mb"] for peer in result["peers"] if peer["name"] == OURS), None)
    for peer in result["peers"]:
        memory = peer["memory_mb"]
        against = f" ({_times(round(memory / ours, 2))})" if memory and ours and peer["name"] != OURS else ""
        rows.append([peer["title"], f"**left out**: {peer['left_out']}" if peer["left_out"] else peer["about"], f"{memory or '–'}{against}"])
    return table(["", "what it is", "most memory, MB"], rows, left=2)


def roofline_words(result: Json) -> str:
    limit = result["roofline"]
    size, bandwidth, cache = limit["bytes_per_token"], limit["bandwidth"], limit["cache"]
    words = f"**The roofline**: memory gives {bandwidth / 1e9:.1f} GB/s, a token reads {size / 1e6:.0f} MB of weights, so one stream gets at most "
    words += f"**{limit['tokens_per_s']:.0f} tokens/s** after its first token"
    if cache and size < cache:
        return words + f" if they come from memory; but they fit into the processor's cache of {cache / 2**20:.0f} MiB, so it is no limit here."
    shares = []
    for peer in result["peers"]:
        figures = _figures(result, "short", 1).get(peer["name"])
        if figures and figures["of_roofline"] is not None:
            shares.append(f"{peer['title']} {figures['of_roofline']:.2f}")
    said = "Shares of it that were reached with one client, each round held against what memory gave in it"
    return words + (f". {said}: {'; '.join(shares)}." if shares else ".")


def _figures(result: Json, kind: str, clients: int | None = None) -> Json:
    """By peer; empty where that was not measured."""
    for scene in result["scenes"]:
        if scene["kind"] == kind and clients in (None, scene["clients"]):
            return dict(scene["figures"])
    return {}


COLUMNS = [
    ("tokens_per_s", "tokens/s, all together"),
    ("first_ms", "first token p50, ms"),
    ("per_token_ms", "a token after it, ms"),
    ("gap_p50_ms", "between frames p50, ms"),
    ("gap_p99_ms", "p99, ms"),
    ("cpu_ms_per_token", "processor a token, ms"),
]


def scene_table(result: Json, scene: Json) -> str:
    clients, size = scene["clients"], result["tokens"]["long"] if scene["kind"] == "long" else None
    what = f"questions of {size} tokens" if size else "short questions"
    title = f"**{clients} client{'s' if clients > 1 else ''}, {what}**"
    rows = []
    for peer in result["peers"]:
        figures = scene["figures"].get(peer["name"])
        if figures:
            cells = [cell(peer["name"], figures, name) for name, _ in COLUMNS]
            rows.append([_named(peer, figures, result), *cells, f"{figures['same_text']:.0%}"])
        elif peer["name"] in scene["failed"]:
            rows.append([peer["title"], f"**failed**: {scene['failed'][peer['name']]}", *[""] * len(COLUMNS)])
    return f"{title}\n\n{table(['', *(title for _, title in COLUMNS), 'same text as ours'], rows)}" if rows else ""


def _named(peer: Json, figures: Json, result: Json) -> str:
    """With the number of rounds, where it is not that of all."""
    count = figures["rounds"]
    return peer["title"] + (f" ({count} round{'s' if count > 1 else ''})" if count != result["rounds"] else "")


def cell(peer: str, figures: Json, name: str) -> str:
    value, against = figures[name], figures["ratio"].get(name)
    if value is None:
        return "–"
    return f"{value:g}" + (f" ({_times(against)})" if against is not None and peer != OURS else "")


def _times(value: float) -> str:
    return f"{value:g} ×"


def turns_table(result: Json) -> str:
    tokens = result["tokens"]
    shown = [f"turn_{turn}_ms" for turn in SHOWN_TURNS if turn <= tokens["turns"]]
    rows = []
    for kind, what in (("turns", ""), ("between", ", another conversation in between")):
        figures_of = _figures(result, kind)
        for peer in result["peers"]:
            if figures := figures_of.get(peer["name"]):
                cells = [cell(peer["name"], figures, name) for name in (*shown, "again_ms", "go_on_ms")]
                growth = "–" if figures["growth"] is None else _times(figures["growth"])
                rows.append([_named(peer, figures, result) + what, *cells[: len(shown)], growth, *cells[len(shown) :]])
    if not rows:
        return ""
    title = (
        f"**A conversation of {tokens['turns']} turns**, each {tokens['turn']} tokens and an answer of {tokens['turn_answer']}: "
        "milliseconds to the first token at some turns, the last turn's over the second's, the last answer written again, and continued"
    )
    heads = ["", *(f"turn {name.split('_')[1]}" for name in shown), f"turn {tokens['turns']} / turn 2", "again", "continued"]
    return f"{title}\n\n{table(heads, rows)}"


def company_table(result: Json) -> str:
    scene = next((scene for scene in result["scenes"] if scene["kind"] == "company"), None)
    if not scene or not scene["figures"]:
        return ""
    title = (
        f"**While {scene['clients']} stream, a question of {result['tokens']['long']} tokens comes**: milliseconds between the others' frames from "
        "then to its first token, and that first token. Where answers come one at a time the others are not held up: they wait before or behind it"
    )
    names = list(COMPANY)
    rows = [
        [_named(peer, figures, result), *(cell(peer["name"], figures, name) for name in names)]
        for peer in result["peers"]
        if (figures := scene["figures"].get(peer["name"]))
    ]
    return f"{title}\n\n{table(['', 'others, p99', 'others, longest', 'its first token'], rows)}"


# --- the targets ---------------------------------------------------------------------------------------------------------------


def targets_table(result: Json) -> str:
    rows = [[what, came, "reached" if reached else "**missed**"] for what, came, reached in targets(result)]
    return table(["target", "came out", ""], rows, left=1) if rows else ""


def targets(result: Json) -> list[tuple[str, str, bool]]:
    """(what, what came, reached); only those that this run can say something about."""
    small = result["model"] == "micromind"
    wanted = [("short", 1, "llama.cpp", "per_token_ms", 1.0, "one client, decoding")]
    if result["precision"] == "16bit":
        eight = 1.5 if small else 2.0
        wanted.append(("short", 8, "llama.cpp", "tokens_per_s", eight, "eight clients, tokens/s"))
        wanted += [("short", 8, name, "tokens_per_s", 2.0, "eight clients, tokens/s") for name in ("serve", "batching") if not small]
        wanted.append(("long", 1, "llama.cpp", "first_ms", 1.0, "long question, first token"))
    titles = {peer["name"]: peer["title"] for peer in result["peers"]}
    rows = []
    for kind, clients, peer, name, least, what in wanted:
        came = _figures(result, kind, clients).get(peer, {}).get("ratio", {}).get(name)
        if came is not None:
            rows.append((f"{what}: at least {_times(least)} {titles[peer]}", _times(came), came >= least))
    return rows + _limit_targets(result, small)


def _limit_targets(result: Json, small: bool) -> list[tuple[str, str, bool]]:
    """Those that are not held against a peer."""
    rows = []
    alone = _figures(result, "short", 1).get(OURS)
    if alone and alone["of_roofline"] is not None and result["precision"] == "16bit" and not small:
        share = alone["of_roofline"]
        rows.append(("one client: at least 0.7 of the roofline", f"{share}", share >= 0.7))
    for kind, what in (("turns", ""), ("between", ", another conversation in between")):
        growth = _figures(result, kind).get(OURS, {}).get("growth")
        if growth is not None:
            rows.append((f"first token at the last turn: at most 1.3 × that at turn 2{what}", _times(growth), growth <= 1.3))
    return rows


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """`left`: how many columns hold words."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * left + "---:|" * (len(heads) - left)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


# --- the document --------------------------------------------------------------------------------------------------------------


def write_section(result: Json, python: str, docs: Path = DOCS) -> None:
    """Replace the part about this model, precision and length of answers, or add it behind the others.

    `python` draws the pictures; without matplotlib there are none.
    """
    file = docs / "performance.md"
    picture = draw(result, python, docs)
    heading = f"### {result['model']}, {result['precision']}{_length(result)}"
    body = "\n\n".join(part for part in (heading, about(result), picture, markdown(result)) if part)
    file.write_text(with_section(file.read_text(encoding="utf-8"), key(result), body), encoding="utf-8")


def key(result: Json) -> str:
    return f"{result['model']} {result['precision']}{_length(result)}"


def _length(result: Json) -> str:
    """Answers of another length than the model's own are another comparison, beside it."""
    return f", answers of {result['asked_tokens']} tokens" if result["asked_tokens"] else ""


def with_section(text: str, name: str, body: str) -> str:
    """Raises ValueError where the text has no place for it."""
    begin, end, last = MARK.format(name, "begin"), MARK.format(name, "end"), MARK.format("all", "end")
    section = f"{begin}\n\n{body}\n\n{end}"
    if begin in text:
        return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: section, text, flags=re.S)
    if text.count(last) != 1:
        raise ValueError(f"docs/performance.md must have the mark {last} once")
    return text.replace(last, f"{section}\n\n{last}")


def draw(result: Json, python: str, docs: Path = DOCS) -> str:
    """The line of Markdown that shows the pictures; a sentence where they could not be drawn, and nothing where they would show single points."""
    kinds = [scene["kind"] for scene in result["scenes"]]
    if kinds.count("short") < 2 and "turns" not in kinds:
        return ""
    name = f"{re.sub(r'[^a-z0-9]+', '-', key(result).lower())}.svg"
    (docs / "pictures").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "result.json"
        given.write_text(json.dumps({name: result[name] for name in ("peers", "scenes")}), encoding="utf-8")
        command = [python, "-m", "benchmarks.plots", str(given), str((docs / "pictures" / name).resolve())]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"(No picture: {(done.stderr.strip().splitlines() or ['it could not be drawn'])[-1]})"
    return f"![Tokens per second over clients, and time to the first token over the turns of a conversation](pictures/{name})"
