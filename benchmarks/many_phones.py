"""Many phones at one server: 500 that only stay connected, and 64 answers streamed at once, on SQLite and on PostgreSQL. The engine is the fake one,
which gives each answer 50 pieces a second, so what is measured is the server.

With `processes` among the databases: an engine process and two web processes that meet in Redis, on PostgreSQL, half of the phones at each.

python -m benchmarks.many_phones [--idle 500] [--streams 64] [--words 1000] [--rounds 3] [--databases sqlite,postgres,processes] [--json FILE]
    [--write]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.contenders import ROOT, Contender, free_port
from benchmarks.report import percentile
from benchmarks.sections import replace_section
from benchmarks.serve import machine
from tests.postgres import Postgres, programs
from tests.redis import Redis

Json = dict[str, Any]
PERFORMANCE = ROOT / "docs" / "performance.md"
SECTION = "benchmarks/many_phones.py"
SETTLE_S = 2.0


class Server(Contender):
    """Ours, with the fake engine."""

    name = "llmsite"

    def __init__(self, folder: Path, streams: int, database_url: str) -> None:
        super().__init__("fake", 0, folder)
        self.environment |= {"LLMSITE_MAX_STREAMS": str(streams), "LLMSITE_MDNS": "0", "DATABASE_URL": database_url}

    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.many_server", "serve", "--host", "127.0.0.1", "--port", str(self.port), "--no-qr"]

    def devices(self, count: int) -> list[str]:
        made = subprocess.run(
            [sys.executable, "-m", "benchmarks.many_server", "devices", str(count)],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
        )
        return list(json.loads(made.stdout))

    def stored(self, token: str, conversation: str) -> str:
        """The answer as the API gives it."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/conversations/{conversation}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(json.loads(answer.read())["messages"][-1]["content"])

    def notes(self) -> list[Json]:
        """What many_server has written down."""
        return [json.loads(line) for line in self.stamps.read_text().splitlines()]


class Processes(Server):
    """Ours as an engine process and web processes, each on a port of its own."""

    WEBS = 2

    def __init__(self, folder: Path, streams: int, database_url: str, redis: Redis) -> None:
        super().__init__(folder, streams, database_url)
        self.redis = redis
        self.environment["REDIS_URL"] = redis.url()
        self.ports = [self.port, *(free_port() for _ in range(self.WEBS - 1))]
        self.webs: list[subprocess.Popen[bytes]] = []

    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.many_server", "engine"]

    def start(self) -> None:
        super().start()
        for port in self.ports:
            command = [sys.executable, "manage.py", "serve", "--web", "--host", "127.0.0.1", "--port", str(port), "--no-qr"]
            self.webs.append(subprocess.Popen(command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log))

    def is_ready(self) -> bool:
        return all(answers_ready(port) for port in self.ports)

    def __exit__(self, *error: object) -> None:
        for web in self.webs:
            web.kill()
            web.wait()
        super().__exit__(*error)

    def memory(self) -> int:
        return sum(int(process.memory_info().rss) for process in self._processes())

    def cpu_s(self) -> float:
        return sum(self.cpu_of_each())

    def cpu_of_each(self) -> list[float]:
        """Seconds: the engine process, then the web processes."""
        return [used(process) for process in self._processes()]

    def _processes(self) -> list[psutil.Process]:
        assert self.process is not None
        return [psutil.Process(self.process.pid), *(psutil.Process(web.pid) for web in self.webs)]


def used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def answers_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Load:
    """The phones' process."""

    def __init__(self, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.many_load", str(port)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def tell(self, **order: Any) -> Json:
        self.send(**order)
        return self.hear()

    def send(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> Json:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the phones' process has ended")
        return dict(json.loads(line))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Loads:
    """Phones at several ports, in turn: the first at the first, the second at the second, and so on."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.loads = [Load(port) for port in ports]

    def tell(self, **order: Any) -> Json:
        """`open` is dealt out; what is asked is asked everywhere at once. Answers come in the order of the phones."""
        for number, load in enumerate(self.loads):
            load.send(**{name: value[number :: len(self.loads)] if name == "open" else value for name, value in order.items()})
        heard = [load.hear() for load in self.loads]
        told: Json = {"closed": sum(one["closed"] for one in heard)}
        if "answers" in heard[0]:
            told |= {"began": min(one["began"] for one in heard), "ended": max(one["ended"] for one in heard)}
            told["answers"] = [answer for row in zip_longest(*(one["answers"] for one in heard)) for answer in row if answer is not None]
        return told

    def end(self) -> None:
        for load in self.loads:
            load.end()


def measure(server: Server, options: argparse.Namespace) -> list[Json]:
    """All rounds of one server. The memory of an idle phone is in the first."""
    tokens = server.devices(options.idle + options.streams)
    talking, idle = tokens[: options.streams], tokens[options.streams :]
    with server:
        ports = server.ports if isinstance(server, Processes) else [server.port]
        load = Loads(ports)
        try:
            load.tell(open=talking)
            load.tell(ask=["!say 100"])  # so that everything has been loaded and made once
            time.sleep(SETTLE_S)
            before = server.memory()
            others = Loads(ports)
            try:
                others.tell(open=idle)
                time.sleep(SETTLE_S)
                per_idle = (server.memory() - before) / max(1, len(idle))
                rounds = [one_round(server, load, talking, options.words) for _ in range(options.rounds)]
                closed = others.tell(open=[])["closed"]
            finally:
                others.end()
        finally:
            load.end()
    return [figures | {"bytes_per_idle": per_idle, "idle_closed": closed} for figures in rounds]


def one_round(server: Server, load: Loads, tokens: Sequence[str], words: int) -> Json:
    before = cpu_of_each(server)
    seen = load.tell(ask=[f"!say {words}"])
    each = {name: seconds - before[name] for name, seconds in cpu_of_each(server).items()}
    cpu_s = each["cpu_server"]
    notes = server.notes()
    yielded = {note["run"]: note["yielded"] for note in notes if "run" in note}
    answers: list[Json] = seen["answers"]
    added = [
        (when - yielded[answer["run"]][piece - 1]) * 1000
        for answer in answers
        for first, last, when in answer["pieces"]
        for piece in range(first, last + 1)
    ]
    expected = "".join(f"w{number} " for number in range(words))
    seconds = seen["ended"] - seen["began"]
    writes = [note for note in notes if "transaction" in note and seen["began"] <= note["transaction"] <= seen["ended"]]
    return {
        **{name: value / seconds for name, value in each.items()},
        "seconds": seconds,
        "pieces": len(added),
        "frames": sum(len(answer["pieces"]) for answer in answers),
        "lost": sum(answer["lost"] + (len(yielded[answer["run"]]) != answer["pieces"][-1][1]) for answer in answers) + seen["closed"],
        "wrong": sum(
            answer["text"] != expected or server.stored(token, answer["conversation"]) != expected
            for token, answer in zip(tokens, answers, strict=True)
        ),
        "added_p50_ms": percentile(added, 0.5),
        "added_p99_ms": percentile(added, 0.99),
        "added_max_ms": max(added),
        "cpu": cpu_s / seconds,
        "cpu_us_per_piece": cpu_s / len(added) * 1e6,
        "transactions_per_s": len(writes) / seconds,
        "statements_per_s": sum(write["statements"] for write in writes) / seconds,
        "transaction_p50_ms": median(write["seconds"] for write in writes) * 1000,
        "transaction_max_ms": max(write["seconds"] for write in writes) * 1000,
        "writing": sum(write["seconds"] for write in writes) / seconds,
    }


def cpu_of_each(server: Server) -> Json:
    """Seconds of processor time so far, by who used it."""
    if not isinstance(server, Processes):
        return {"cpu_server": server.cpu_s()}
    engine, *webs = server.cpu_of_each()
    return {"cpu_server": engine + sum(webs), "cpu_engine": engine, "cpu_web": sum(webs) / len(webs), "cpu_redis": used(server.redis.process())}


def bare(options: argparse.Namespace, folder: Path) -> float:
    """Processor share of the same answers from the fake engine alone, without a server."""
    from benchmarks.contenders import Bare

    engine = Bare("fake", options.words, folder)
    engine.environment["LLMSITE_MAX_STREAMS"] = str(options.streams)
    with engine:
        cpu_s = engine.cpu_s()
        answered = asyncio.run(engine.decode_all([f"!say {options.words}"] * options.streams))
        return float((engine.cpu_s() - cpu_s) / answered["wall_s"])


@contextlib.contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of an empty database, "" for SQLite."""
    if kind == "sqlite":
        yield ""
        return
    if programs() is None:
        raise SystemExit("There is no PostgreSQL here: install the package postgresql, or say --databases sqlite.")
    with Postgres() as postgres:
        yield postgres.database()


def run(options: argparse.Namespace) -> Json:
    found: dict[str, Json] = {}
    with tempfile.TemporaryDirectory(prefix="llmsite-benchmark-") as folder:
        alone = bare(options, Path(folder))
        for kind in options.databases.split(","):
            with database(kind) as url, tempfile.TemporaryDirectory(dir=folder) as own, contextlib.ExitStack() as stack:
                if kind == "processes":
                    server: Server = Processes(Path(own), options.streams, url, stack.enter_context(Redis()))
                else:
                    server = Server(Path(own), options.streams, url)
                rounds = measure(server, options)
            found[kind] = {name: median(figures[name] for figures in rounds) for name in rounds[0]}
            for name in ("lost", "wrong", "idle_closed", "added_max_ms", "transaction_max_ms"):
                found[kind][name] = max(figures[name] for figures in rounds)
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": options.machine or machine(),
        "idle": options.idle,
        "streams": options.streams,
        "words": options.words,
        "rounds": options.rounds,
        "engine_cpu": alone,
        "databases": found,
    }


ROWS = (
    ("frames lost", "lost", "{:.0f}"),
    ("answers that were not what was decoded, or were stored otherwise", "wrong", "{:.0f}"),
    ("idle phones that were cut off", "idle_closed", "{:.0f}"),
    ("pieces of text, in all", "pieces", "{:,.0f}"),
    ("frames they came in", "frames", "{:,.0f}"),
    ("added per piece, p50", "added_p50_ms", "{:.2f} ms"),
    ("added per piece, p99", "added_p99_ms", "{:.1f} ms"),
    ("added per piece, most", "added_max_ms", "{:.0f} ms"),
    ("one processor core, the server with its engine", "cpu", "{:.0%}"),
    ("of it, the engine process", "cpu_engine", "{:.0%}"),
    ("of it, each web process", "cpu_web", "{:.0%}"),
    ("beside it, Redis", "cpu_redis", "{:.0%}"),
    ("processor time per piece, all of it", "cpu_us_per_piece", "{:.0f} µs"),
    ("transactions that write, per second", "transactions_per_s", "{:.1f}"),
    ("statements that write, per second", "statements_per_s", "{:.1f}"),
    ("a transaction, p50", "transaction_p50_ms", "{:.1f} ms"),
    ("the longest transaction", "transaction_max_ms", "{:.0f} ms"),
    ("of the time, something was being written", "writing", "{:.0%}"),
    ("memory per idle phone", "kb_per_idle", "{:.0f} kB"),
)


def targets(result: Json) -> list[tuple[str, str, bool]]:
    """(what, what came, reached): the worst of the databases."""
    rows = list(result["databases"].values())
    lost, wrong = max(row["lost"] for row in rows), max(row["wrong"] for row in rows)
    p99, kb = max(row["added_p99_ms"] for row in rows), max(row["bytes_per_idle"] for row in rows) / 1000
    writing = max(row["writing"] for row in rows)
    return [
        ("no frame lost, nothing stored otherwise", f"{lost:.0f} and {wrong:.0f}", not lost and not wrong),
        ("added per piece, p99: at most 50 ms", f"{p99:.1f} ms", p99 <= 50),
        ("memory per idle phone: at most 100 kB", f"{kb:.0f} kB", kb <= 100),
        ("storage is idle half of the time or more", f"{1 - writing:.0%}", writing <= 0.5),
    ]


def markdown(result: Json) -> str:
    kinds: dict[str, Json] = result["databases"]
    titles = {"sqlite": "SQLite", "postgres": "PostgreSQL", "processes": "PostgreSQL, two web processes"}
    lines = [
        f"Measured on {result['when']} on {result['machine']}; the phones and PostgreSQL run on the same cores. {result['idle']} idle phones, "
        f"{result['streams']} answers at once of {result['words']} pieces each, 50 a second; {result['rounds']} rounds; medians, the greatest where "
        f"it says so. The fake engine alone, without a server, takes {result['engine_cpu']:.0%} of a core for the same answers.",
        "",
        "| | " + " | ".join(titles[kind] for kind in kinds) + " |",
        "|---|" + "---:|" * len(kinds),
    ]
    for title, name, form in ROWS:
        values = [row["bytes_per_idle"] / 1000 if name == "kb_per_idle" else row.get(name) for row in kinds.values()]
        if any(value is not None for value in values):
            lines.append(f"| {title} | " + " | ".join("–" if value is None else form.format(value) for value in values) + " |")
    lines += ["", "| target | came out | |", "|---|---:|---|"]
    lines += [f"| {what} | {came} | {'reached' if reached else '**missed**'} |" for what, came, reached in targets(result)]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=int, default=500)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--words", type=int, default=1000, help="pieces of text in an answer, 50 a second (default: 1000, at most 1024)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--databases", default="sqlite,postgres,processes")
    parser.add_argument("--machine", help="what to call this computer in the report")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args()
    result = run(options)
    text = markdown(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.write:
        replace_section(PERFORMANCE, SECTION, text)
    return 0 if all(reached for _, _, reached in targets(result)) else 1


if __name__ == "__main__":
    sys.exit(main())
