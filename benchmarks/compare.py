"""Our server against llama.cpp, `transformers serve` and the tutorial's way: the same weights at the same precision, in one alternating run.

    pip install -r requirements-benchmarks.txt              # here or in an environment of its own: see --llama-python
    python -m benchmarks.compare                            # the embedded model
    python -m benchmarks.compare --model half-b --write     # the shape of a Qwen2.5-0.5B, and into docs/performance.md
    python -m benchmarks.compare --model half-b --precision int8

Each server is started once; in each round, for each scene, they take turns, and while one is measured the others stand still. A scene that
takes long with one of them is done fewer times with it (--slow-s, --slow-rounds); no round is begun that would not end within --minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks import scenes
from benchmarks.contenders import ROOT
from benchmarks.peers import PEERS, LlamaBatched, Llmsite, Peer, Setup, TransformersServe, only
from benchmarks.roofline import memory_bandwidth
from benchmarks.shapes import endless, half_b, is_endless
from benchmarks.talk import Heard

Json = dict[str, Any]
EMBEDDED = ROOT / "models" / "micromind"
PATIENCE_S = 300
SHORT = 24
"""Tokens of a short question."""
TALKS, TALKS_S = 5, 3.0
"""So many growing conversations a round, as long as they took less than this."""
COMPANY = 4
"""How many stream when the long question comes."""


@dataclass(frozen=True)
class Scene:
    kind: str
    """short, long, turns, between (turns with another conversation between them), or company."""
    clients: int = 1

    @property
    def title(self) -> str:
        return f"{self.kind}, {self.clients}"

    def suits(self, peer: type[Peer]) -> bool:
        if issubclass(peer, LlamaBatched):
            return self.kind in ("short", "long")
        if self.kind == "between":
            return peer.has_memory and not issubclass(peer, TransformersServe)  # it would take long, and its turns alone say enough
        return peer.has_memory or self.kind != "turns"


@dataclass
class Lengths:
    """In tokens, for a model's context."""

    answer: int
    long: int
    turn: int
    turn_answer: int
    company: int

    @classmethod
    def within(cls, context: int, answer: int | None) -> Lengths:
        small = context < 2048
        answer = answer or (128 if small else 32)
        return cls(answer, min(2000, context - answer - 64), 12 if small else 32, 12, max(48, answer))


@dataclass
class Run:
    """What came of it."""

    found: dict[Scene, dict[str, list[Json]]]
    left_out: dict[str, str] = field(default_factory=dict)
    """Why a peer is not there."""
    failed: dict[tuple[Scene, str], str] = field(default_factory=dict)
    rounds: int = 0
    bandwidths: list[float] = field(default_factory=list)
    """What memory gave in each round, in bytes per second: it changes with what else a shared computer does."""


async def measure(peer: Peer, peers: Sequence[Peer], scene: Scene, texts: scenes.Texts, lengths: Lengths, turns: int) -> Json:
    """One scene with one peer. Raises RuntimeError, OSError or TimeoutError."""
    with only(peer, peers):
        await scenes.burst(peer, [texts.of(4)], 4)  # what stood still may have lost its place in caches, and a file's pages their memory
        before, began = peer.cpu_s(), time.monotonic()
        async with asyncio.timeout(PATIENCE_S):
            figures = await _play(peer, scene, texts, lengths, turns)
        return figures | {"cpu_s": peer.cpu_s() - before, "took_s": time.monotonic() - began}


async def _play(peer: Peer, scene: Scene, texts: scenes.Texts, lengths: Lengths, turns: int) -> Json:
    match scene.kind:
        case "short" | "long":
            size = SHORT if scene.kind == "short" else lengths.long
            return burst_figures(await scenes.burst(peer, [texts.of(size) for _ in range(scene.clients)], lengths.answer))
        case "turns" | "between":
            return await _talks(peer, texts, lengths, turns, company=scene.kind == "between")
        case _:
            return await scenes.company(peer, [texts.of(SHORT) for _ in range(scene.clients)], texts.of(lengths.long), lengths.company)


async def _talks(peer: Peer, texts: scenes.Texts, lengths: Lengths, turns: int, *, company: bool) -> Json:
    """A conversation, and where that is over in a moment, more: each turn has one first text, whose ten milliseconds are two more or less."""
    talks: list[Json] = []
    began = time.monotonic()
    while not talks or (len(talks) < TALKS and time.monotonic() - began < TALKS_S):
        others = [texts.of(lengths.turn) for _ in range(turns)] if company else []
        talks.append(await scenes.turns(peer, [texts.of(lengths.turn) for _ in range(turns)], lengths.turn_answer, others))
    alone = {name: median(talk[name] for talk in talks) for name in talks[0] if name != "first_s"}
    return {"first_s": [median(turn) for turn in zip(*(talk["first_s"] for talk in talks), strict=True)]} | alone


def burst_figures(heard: Sequence[Heard]) -> Json:
    return {
        "tokens": sum(one.tokens for one in heard),
        "seconds": max(one.ended for one in heard) - min(one.asked for one in heard),
        "first_s": [one.first_s for one in heard],
        "gaps_s": [gap for one in heard for gap in one.gaps],
        "per_token_s": [one.per_token_s for one in heard if one.per_token_s is not None],
        "text": heard[0].text,
    }


async def run(peers: Sequence[Peer], plan: Sequence[Scene], lengths: Lengths, count: Any, options: argparse.Namespace) -> Run:
    """Everybody in turn, again and again, so that whatever else the computer does falls on all alike."""
    done = Run({scene: {peer.name: [] for peer in peers} for scene in plan})
    until = time.monotonic() + options.minutes * 60
    await _warm_up(peers, lengths, count, done)
    for number in range(options.rounds):
        began = time.monotonic()
        done.bandwidths.append(memory_bandwidth())  # everybody stands still
        for scene in plan:
            for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
                # The same seed for all: everybody gets the same texts in a round, and new ones in the next.
                texts = scenes.Texts(count, seed=number * 1000 + plan.index(scene))
                await _try(peer, peers, scene, texts, lengths, number, done, options)
        done.rounds = number + 1
        took = time.monotonic() - began
        if time.monotonic() + took * (0.6 if number == 0 else 1) > until:  # the first round holds what is done only once or twice
            break
    return done


async def _warm_up(peers: Sequence[Peer], lengths: Lengths, count: Any, done: Run) -> None:
    """Each kind of step once: what is compiled, allocated or read from the disk the first time is not measured."""
    warm = replace(lengths, answer=8, long=min(lengths.long, 400))
    for peer in peers:
        for seed, scene in enumerate((Scene("short", 2), Scene("long"))):
            if peer.name not in done.left_out:
                try:
                    found = await measure(peer, peers, scene, scenes.Texts(count, seed=10**6 + seed), warm, 0)
                    _say(f"warming up, {scene.title:8} {peer.name:22} {found['took_s']:6.1f} s")
                except (RuntimeError, OSError, TimeoutError) as error:
                    _leave_out(peer, f"could not answer: {_sentence(error)}", done)


async def _try(
    peer: Peer, peers: Sequence[Peer], scene: Scene, texts: scenes.Texts, lengths: Lengths, number: int, done: Run, options: argparse.Namespace
) -> None:
    found = done.found[scene][peer.name]
    slow = len(found) >= options.slow_rounds and max(one["took_s"] for one in found) > options.slow_s
    if slow or peer.name in done.left_out or (scene, peer.name) in done.failed or not scene.suits(type(peer)):
        return
    try:
        found.append(await measure(peer, peers, scene, texts, lengths, options.turns))
    except TimeoutError:
        _leave_out(peer, f"needed more than {PATIENCE_S} s for one scene ({scene.title})", done)
    except (RuntimeError, OSError) as error:
        done.failed[scene, peer.name] = _sentence(error)
        _say(f"{peer.title}, {scene.title}: {_sentence(error)}")
    else:
        speed = f"{found[-1]['tokens'] / found[-1]['seconds']:8.1f} tokens/s" if "tokens" in found[-1] else ""
        _say(f"round {number + 1}, {scene.title:11} {peer.name:22} {found[-1]['took_s']:6.1f} s {speed}")


def _leave_out(peer: Peer, why: str, done: Run) -> None:
    done.left_out[peer.name] = why
    peer.__exit__()
    _say(f"{peer.title} is left out: {why}")


def _sentence(error: BaseException) -> str:
    """The last line of what is said is the one that says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def make_model(wanted: str, work: Path) -> tuple[str, Path]:
    """(its name, its folder in transformers' format, with an end that never comes)"""
    if wanted == "half-b":
        folder = work / "half-b"
        if not folder.is_dir():
            _say("making a model of the shape of Qwen2.5-0.5B")
            half_b(folder)
        return "half-b", folder
    source = EMBEDDED if wanted == "micromind" else Path(wanted).resolve()
    if is_endless(source):
        return source.name, source
    folder = work / source.name
    return source.name, folder if folder.is_dir() else endless(source, folder)


def write_gguf(python: str, folder: Path, kinds: set[str], work: Path) -> dict[str, Path]:
    """By the name of their type. Raises RuntimeError where the interpreter lacks what it needs."""
    files = {}
    for kind in sorted(kinds):
        file = files[kind] = work / f"{folder.name}-{kind}.gguf"
        if not file.is_file():
            _say(f"writing the weights as GGUF, {kind}")
            done = subprocess.run([python, "-m", "benchmarks.gguf_file", str(folder), str(file), kind], cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"the weights could not be written as GGUF: {done.stderr}")
    return files


def chosen(options: argparse.Namespace) -> list[type[Peer]]:
    """Those that are asked for and that know the precision; ours comes first."""
    names = options.only.split(",") if options.only else [kind.name for kind in PEERS if kind.by_default]
    if unknown := set(names) - {kind.name for kind in PEERS}:
        raise SystemExit(f"--only takes {', '.join(kind.name for kind in PEERS)}; got {', '.join(sorted(unknown))}")
    return [kind for kind in PEERS if kind is Llmsite or kind.name in names]


def start(kinds: Sequence[type[Peer]], setup: Setup, stack: ExitStack, done: dict[str, str], problem: str) -> list[Peer]:
    """Those that can be started. Why the others cannot goes to `done`."""
    peers: list[Peer] = []
    for kind in kinds:
        if setup.precision not in kind.precisions:
            done[kind.name] = f"it has no {setup.precision} weights on a processor"
        elif kind.gguf and problem:
            done[kind.name] = problem
        else:
            _say(f"starting {kind.title}")
            try:
                peer = kind(setup)
                stack.callback(peer.close)
                stack.enter_context(peer)
                peer.stand_still(True)
                peers.append(peer)
            except (RuntimeError, OSError) as error:
                done[kind.name] = _sentence(error)
                _say(f"{kind.title} is left out: {_sentence(error)}")
    return peers


def compare(options: argparse.Namespace, work: Path) -> Json:
    from tokenizers import Tokenizer

    from benchmarks.compared import result_of

    name, folder = make_model(options.model, work)
    kinds = chosen(options)
    wanted = {kind.gguf[options.precision] for kind in kinds if options.precision in kind.gguf}
    files, problem = {}, ""
    try:
        files = write_gguf(options.llama_python, folder, wanted, work)
    except (RuntimeError, OSError) as error:
        problem = _sentence(error)
    limit = json.loads((folder / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"]
    threads = psutil.cpu_count(logical=False) or 2
    with tempfile.TemporaryDirectory(prefix="llmsite-compare-") as data, ExitStack() as stack:
        setup = Setup(folder, files, options.precision, min(4096, limit), Path(data), options.llama_python, threads)
        left_out: dict[str, str] = {}
        peers = start(kinds, setup, stack, left_out, problem)
        lengths = Lengths.within(setup.context, options.tokens)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        done = asyncio.run(run(peers, plan(options), lengths, lambda text: len(tokenizer.encode(text).ids), options))
        done.left_out |= left_out
        memory = {peer.name: peer.memory() for peer in peers}
    return result_of(name, kinds, done, memory, lengths, setup, options)


def plan(options: argparse.Namespace) -> list[Scene]:
    scenes_ = [Scene("short", count) for count in numbers(options.clients)]
    scenes_ += [Scene("long", count) for count in numbers(options.long_clients)]
    if options.turns:
        scenes_ += [Scene("turns"), Scene("between")]
    return scenes_ + [Scene("company", COMPANY)] * options.company


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="micromind", help="micromind (the embedded one), half-b (made on the spot), or a folder")
    parser.add_argument("--precision", default="16bit", choices=("16bit", "int8", "int4"), help="of the weights, on all sides (default: 16bit)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", default="1,4,8,16", help="how many at once, in turn (default: 1,4,8,16)")
    parser.add_argument("--long-clients", default="1", help="the same for long questions (default: 1)")
    parser.add_argument("--tokens", type=int, help="of an answer (default: 32; 128 for a small model)")
    parser.add_argument("--turns", type=int, default=20, help="of the growing conversation (default: 20; 0: none)")
    parser.add_argument("--company", type=int, default=1, choices=(0, 1), help="1: a long question comes while others stream (default: 1)")
    parser.add_argument("--only", help=f"these beside ours, by commas: {', '.join(kind.name for kind in PEERS)}")
    parser.add_argument("--minutes", type=float, default=20, help="begin no round that would not end within (default: 20)")
    parser.add_argument("--slow-s", type=float, default=15, help="a scene that took longer with one of them … (default: 15 seconds)")
    parser.add_argument("--slow-rounds", type=int, default=2, help="… is done only so many times with it (default: 2)")
    parser.add_argument("--llama-python", default=sys.executable, help="an interpreter with requirements-benchmarks.txt (default: this one)")
    parser.add_argument("--work", type=Path, help="a folder that keeps the models that are made (default: a temporary one)")
    parser.add_argument("--machine", help="what to call this computer in the report")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="write tables and pictures into docs/")
    return parser.parse_args(arguments)


def main() -> int:
    from benchmarks.compared import about, markdown, write_section

    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # so that the servers end as well
    with ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="llmsite-compared-")))
        work.mkdir(parents=True, exist_ok=True)
        result = compare(options, work.resolve())
    print(f"{about(result)}\n\n{markdown(result)}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.write:
        write_section(result, options.llama_python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
