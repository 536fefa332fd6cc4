"""How long the admin's pages take, with few messages stored and with many.

python -m benchmarks.admin [--rounds 7] [--sizes 1000,100000] [--keep FOLDER] [--write]

Each size has a process and a database file of its own; they take turns, page by page, so that whatever else the computer does falls on both alike.
The time is that of the whole request in the server: middleware, queries, template. The browser's part is not in it. Beside it stands the processor
time of the same request: what it takes where nobody else uses the computer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PERFORMANCE = ROOT / "docs" / "performance.md"
MARKS = "<!-- benchmarks/admin.py: begin -->", "<!-- benchmarks/admin.py: end -->"
AIM_MS = 300
Json = dict[str, Any]
LIST = "/admin/chat/conversation/"


# --- the process that holds one database ---------------------------------------------------------------------------------------


def pages(long: str) -> dict[str, str]:
    """What is measured, by its name in the report."""
    from benchmarks.admin_store import RARE_EN, RARE_ZH
    from chat.models import Conversation, Device

    device = Device.objects.order_by("name", "id").first()
    assert device is not None
    return {
        "list": LIST,
        "list, a later page": f"{LIST}?p={min(20, -(-Conversation.objects.count() // 50))}",
        "filter: person": f"{LIST}?person={device.owner_id}",
        "filter: device": f"{LIST}?device={device.id}",
        "filter: model, 7 of 10": f"{LIST}?model=micromind",
        "filter: model, 1 of 10": f"{LIST}?model=deepseek-r1-7b",
        "filter: rated down": f"{LIST}?rating=down",
        "filter: finish reason stop": f"{LIST}?reason=stop",
        "filter: finish reason error": f"{LIST}?reason=error",
        "filter: deleted": f"{LIST}?deleted=yes",
        "filter: last 30 days": f"{LIST}?since={_days_ago(30)}",
        "filter: model, rating and date": f"{LIST}?model=micromind&rating=down&since={_days_ago(30)}",
        "search: rare, English": f"{LIST}?q={RARE_EN}",
        "search: rare, Chinese": f"{LIST}?q={RARE_ZH}",
        "search: in every other conversation, English": f"{LIST}?q=hotspot",
        "search: in every other conversation, Chinese": f"{LIST}?q=热点连接",
        "search: one Chinese character": f"{LIST}?q=我",
        "transcript, 10 messages": f"{LIST}{_some_conversation()}/change/",
        "transcript, 500 messages": f"{LIST}{long}/change/",
        "transcript, 500 messages, page 7": f"{LIST}{long}/change/?page=7",
        "runs": "/admin/chat/run/",
        "ratings": "/admin/chat/feedback/",
        "people": "/admin/chat/owner/",
        "statistics, 24 hours": "/admin/statistics/?range=24h",
        "statistics, 30 days": "/admin/statistics/?range=30d",
        "statistics, everything": "/admin/statistics/?range=all",
        "statistics, everything, one model": "/admin/statistics/?range=all&model=micromind",
    }


def _days_ago(days: int) -> str:
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - days * 86_400, tz=UTC).strftime("%Y-%m-%d")


def _some_conversation() -> str:
    from chat.models import Conversation

    return str(Conversation.objects.order_by("-updated_at").values_list("id", flat=True)[100 if Conversation.objects.count() > 200 else 1])


def work(messages: int) -> None:
    """Fill the database if it is empty; then answer a page's name with its time, line by line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsite.settings")
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from benchmarks.admin_store import LONG, Filler, sizes
    from chat.models import Conversation

    call_command("migrate", verbosity=0)
    if not Conversation.objects.exists():
        Filler(messages).fill()
    user = User.objects.filter(is_superuser=True).first() or User.objects.create_superuser("owner")
    browser = Client(HTTP_HOST="localhost")
    browser.force_login(user)
    long = Conversation.objects.raw("SELECT conversation_id AS id FROM chat_message GROUP BY conversation_id HAVING COUNT(*) = %s LIMIT 1", [LONG])[
        0
    ].id
    known: dict[str, Callable[[], Json]] = {
        name: (lambda address=address: _time(browser, address))
        for name, address in pages(str(long)).items()  # type: ignore[misc]
    }
    known["export of 500 conversations"] = lambda: _export(browser)
    print(json.dumps({"pages": list(known), "rows": dict(sizes())}), flush=True)
    for line in sys.stdin:
        print(json.dumps(known[line.rstrip("\n")]()), flush=True)


def _time(browser: Any, address: str) -> Json:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    begun, worked = perf_counter(), process_time()
    response = browser.get(address)
    length = len(response.content)
    took, work = perf_counter() - begun, process_time() - worked
    assert response.status_code == 200, (address, response.status_code)
    with CaptureQueriesContext(connection) as queries:
        browser.get(address)
    return {"ms": took * 1000, "cpu_ms": work * 1000, "kb": length / 1000, "queries": len(queries)}


def _export(browser: Any) -> Json:
    from chat.models import Conversation

    ids = [str(id_) for id_ in Conversation.objects.order_by("-updated_at").values_list("id", flat=True)[:500]]
    begun, worked = perf_counter(), process_time()
    response = browser.post(LIST, {"action": "export", "_selected_action": ids})

    async def read() -> int:
        return sum([len(chunk) async for chunk in response.streaming_content])

    length = asyncio.run(read())
    took, work = perf_counter() - begun, process_time() - worked
    return {"ms": took * 1000, "cpu_ms": work * 1000, "kb": length / 1000, "queries": 0}


# --- the process that asks -----------------------------------------------------------------------------------------------------


class Worker:
    def __init__(self, messages: int, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "LLMSITE_DATA": str(data), "LLMSITE_MODEL": "fake"}
        command = [sys.executable, "-m", "benchmarks.admin", "--worker", str(messages)]
        self.messages = messages
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = self._read()

    def ask(self, page: str) -> Json:
        assert self.process.stdin is not None
        print(page, file=self.process.stdin, flush=True)
        return self._read()

    def _read(self) -> Json:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process with {self.messages} messages has ended")
        found: Json = json.loads(line)
        return found

    def end(self) -> None:
        with self.process:  # closes its pipes, too
            self.process.kill()


@contextmanager
def worker(messages: int, data: Path) -> Iterator[Worker]:
    made = Worker(messages, data)
    try:
        yield made
    finally:
        made.end()


def measure(workers: list[Worker], rounds: int) -> Json:
    names: list[str] = workers[0].hello["pages"]
    found: dict[str, list[list[Json]]] = {name: [[] for _ in workers] for name in names}
    for number in range(-1, rounds):  # the first round warms up
        for name in names:
            for place, one in enumerate(workers):
                figures = one.ask(name)
                if number >= 0:
                    found[name][place].append(figures)
        print(f"round {number + 1}/{rounds}", file=sys.stderr, flush=True)
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "rounds": rounds,
        "rows": [one.hello["rows"] for one in workers],
        "pages": {name: [_middle(figures) for figures in by_worker] for name, by_worker in found.items()},
    }


def _middle(figures: list[Json]) -> Json:
    return {key: median(one[key] for one in figures) for key in ("ms", "cpu_ms", "kb", "queries")}


def markdown(result: Json) -> str:
    counts = [f"{rows['Message']:,}" for rows in result["rows"]]
    head = [f"{count} messages" for count in counts] + [f"processor, {count}" for count in counts] + ["ratio of processor times", "queries", "kB"]
    lines = ["| page | " + " | ".join(head) + " |", "|---|" + "---:|" * len(head)]
    for name, middles in result["pages"].items():
        last = middles[-1]
        cells = [f"{middle['ms']:.0f} ms" for middle in middles] + [f"{middle['cpu_ms']:.0f} ms" for middle in middles]
        if last["ms"] > AIM_MS and not name.startswith("export"):
            cells[len(middles) - 1] += " **(missed)**"
        cells += [f"{last['cpu_ms'] / middles[0]['cpu_ms']:.1f} ×", f"{last['queries']:.0f}" if last["queries"] else "–", f"{last['kb']:.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def about(result: Json, machine: str) -> str:
    large = result["rows"][-1]
    return (
        f"Measured on {result['when']} on {machine}; {result['rounds']} rounds, alternating; medians. The large record: {large['Message']:,} "
        f"messages in {large['Conversation']:,} conversations, {large['Run']:,} runs with their prompts, {large['Feedback']:,} ratings, Chinese and "
        f"English by halves; SQLite. The aim for each page: {AIM_MS} ms."
    )


def write_section(file: Path, text: str) -> None:
    old = file.read_text(encoding="utf-8")
    begin, end = map(re.escape, MARKS)
    new, count = re.subn(f"{begin}.*{end}", lambda _: f"{MARKS[0]}\n\n{text}\n\n{MARKS[1]}", old, flags=re.S)
    if count != 1:
        raise ValueError(f"{file} must have the marks {MARKS[0]} and {MARKS[1]} once")
    file.write_text(new, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", default="1000,100000", help="messages, one number for each database")
    parser.add_argument("--keep", type=Path, help="keep the databases in this folder, and use those that are there")
    parser.add_argument("--machine", help="what to call this computer in the report")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        work(options.worker)
        return 0
    from benchmarks.serve import machine

    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="llmsite-admin-")))
        workers = [stack.enter_context(worker(int(size), folder / size)) for size in options.sizes.split(",")]
        result = measure(workers, options.rounds)
    text = f"{about(result, options.machine or machine())}\n\n{markdown(result)}"
    print(text)
    if options.write:
        write_section(PERFORMANCE, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
