"""How the phone client feels: how soon it is there, and how smooth it stays while an answer streams below 200 messages, in Chromium.

    npm run build:h5 --prefix frontend-uniapp
    python -m benchmarks.phone                    # prints the tables
    python -m benchmarks.phone --write            # and puts them into docs/performance.md
    python -m benchmarks.phone --json FILE        # and all figures into a file

Everything on a phone's screen (390×844), against the real server with the fake engine, which writes 50 tokens a second. The client takes turns
with the chat page, with itself in an empty conversation, and with itself while nothing streams, round after round.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.contenders import ROOT, Ours
from benchmarks.page import FLAGS, PROSE, TEXTS
from benchmarks.report import percentile
from benchmarks.serve import machine

MARKS = "<!-- benchmarks/phone.py: begin -->", "<!-- benchmarks/phone.py: end -->"
SCREEN: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True, "locale": "en"}
MESSAGES = 200
WINDOW_MS = 5000
PATIENCE_MS = 180_000
SLOW = 4
"""How much slower than this computer's processor a mid-range phone's is taken to be: what developers' tools offer under that name."""
HOTSPOT = {"offline": False, "latency": 10, "downloadThroughput": 20e6 / 8, "uploadThroughput": 20e6 / 8}
STREAMED = (f"{PROSE}\n\n- one\n- two **bold**\n\n```python\nprint(1)\n```\n\n" * 40).strip()
FRAME_MS = 1000 / 60
Json = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """Something that is measured: a client, with so many messages above the answer."""

    name: str
    path: str
    field: str
    """Matches once the field can be used."""
    messages: int = MESSAGES
    streams: bool = True


CLIENT = Way("the phone client", "/m/", ".composer textarea")
PAGE = Way("the chat page", "/", "#hint:not(:empty)")
STREAMING = (
    CLIENT,
    PAGE,
    Way("the phone client, empty conversation", "/m/", CLIENT.field, messages=0),
    Way("the phone client, nothing streams", "/m/", CLIENT.field, streams=False),
)

WATCH = """selector => {
  const look = () => {
    if (document.querySelector(selector)?.getClientRects().length) window.usable = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
TIMES = """() => {
  const paint = Object.fromEntries(performance.getEntriesByType("paint").map((one) => [one.name, one.startTime]));
  return { paint: paint["first-paint"], text: paint["first-contentful-paint"], usable: window.usable };
}"""
FRAMES = """ms => new Promise((resolve) => {
  const gaps = [], long = [];
  const tasks = new PerformanceObserver((list) => long.push(...list.getEntries().map((one) => one.duration)));
  tasks.observe({ entryTypes: ["longtask"] });
  let before = 0, end = 0;
  const step = (now) => {
    if (before) gaps.push(now - before);
    else end = now + ms;
    before = now;
    if (now < end) requestAnimationFrame(step);
    else { tasks.disconnect(); resolve({ gaps, long }); }
  };
  requestAnimationFrame(step);
})"""


class Bench:
    def __init__(self, browser: Browser, http: str) -> None:
        self.browser, self.http = browser, http
        self.processes = browser.new_browser_cdp_session()

    @contextmanager
    def page(self) -> Iterator[tuple[Page, CDPSession]]:
        """A browser that has seen nothing of us yet."""
        context = self.browser.new_context(**SCREEN)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        try:
            yield page, context.new_cdp_session(page)
        finally:
            context.close()

    # --- how soon it is there ---

    def start(self, way: Way) -> Json:
        """The first visit, and the second one, which finds the files in the browser."""
        with self.page() as (page, cdp):
            cdp.send("Emulation.setCPUThrottlingRate", {"rate": SLOW})
            cdp.send("Network.enable")
            cdp.send("Network.emulateNetworkConditions", HOTSPOT)
            received: list[float] = []
            cdp.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
            page.add_init_script(f"({WATCH})({json.dumps(way.field)})")
            first = self._visit(page, way) | {"kilobytes": sum(received) / 1024}
            return {"first": first, "again": self._visit(page, way)}

    def _visit(self, page: Page, way: Way) -> Json:
        page.goto(self.http + way.path)
        page.wait_for_selector(way.field, state="attached")
        page.wait_for_timeout(1000)  # so that nothing of it is under way in the next visit
        return dict(page.evaluate(TIMES))

    # --- how smooth it stays ---

    def stream(self, way: Way, slow: int) -> Json:
        with self.page() as (page, cdp):
            self._open(page, way)
            if way.streams:
                self._ask(page, way)
            cdp.send("Emulation.setCPUThrottlingRate", {"rate": slow})
            page.wait_for_timeout(500)
            before = self._cpu_s()
            found: Json = page.evaluate(FRAMES, WINDOW_MS)
            found["cpu_s"] = self._cpu_s() - before
            cdp.send("Emulation.setCPUThrottlingRate", {"rate": 1})
            if way.streams and not page.get_by_role("button", name="Stop", exact=True).is_visible():
                raise RuntimeError(f"{way.name}: the answer ended before the measurement did")
            return found

    def _open(self, page: Page, way: Way) -> None:
        conversation = self._import(page, way.messages) if way.messages else ""
        page.goto(f"{self.http}{way.path}" + (f"?c={conversation}" if way.path == PAGE.path and conversation else ""))
        page.wait_for_selector(way.field, state="attached")
        if conversation and way.path == CLIENT.path:
            page.get_by_role("button", name="Conversations", exact=True).first.tap()
            page.locator(f".drawer .conversation[data-id='{conversation}']").first.tap()
        if conversation:
            page.get_by_text(f"Question number {way.messages // 2 - 1}?", exact=True).first.wait_for()
        page.wait_for_timeout(1000)

    def _ask(self, page: Page, way: Way) -> None:
        field = page.locator("#field" if way.path == PAGE.path else way.field)
        field.fill(STREAMED)
        page.get_by_role("button", name="Send", exact=True).tap()
        page.locator(".message.assistant").last.get_by_text("Some").first.wait_for()

    def _import(self, page: Page, count: int) -> str:
        """A conversation of so many messages, with answers as models write them. Returns its id."""
        messages: list[Json] = []
        for i in range(count // 2):
            parent = f"a{i - 1}" if i else None
            messages.append({"id": f"u{i}", "parent": parent, "role": "user", "content": f"Question number {i}?"})
            messages.append({"id": f"a{i}", "parent": f"u{i}", "role": "assistant", "content": TEXTS["mixed"]()[:900], "finish_reason": "stop"})
        whole = {"format": "llmsite-conversation", "version": 1, "title": "A long one", "leaf": messages[-1]["id"], "messages": messages}
        sent = page.request.post(f"{self.http}/api/conversations/import", data=json.dumps(whole), headers={"Content-Type": "application/json"})
        if not sent.ok:
            raise RuntimeError(f"the conversation was not imported: {sent.text()}")
        return str(sent.json()["id"])

    def _cpu_s(self) -> float:
        """Of the browser's processes that run pages: there is one page."""
        found = self.processes.send("SystemInfo.getProcessInfo")["processInfo"]
        return float(sum(one["cpuTime"] for one in found if one["type"] == "renderer"))


def run(rounds: int, keep: Callable[[Json], None]) -> Json:
    """`keep` gets all figures after each round: one that is cut off keeps those before."""
    found: Json = {"when": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine(), "rounds": 0}
    found["start"] = {way.name: [] for way in (CLIENT, PAGE)}
    found["stream"] = {str(slow): {way.name: [] for way in STREAMING} for slow in (1, SLOW)}
    with tempfile.TemporaryDirectory() as folder, Ours("fake", 64, Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        bench = Bench(browser, f"http://127.0.0.1:{server.port}")
        for number in range(rounds):
            for way in (CLIENT, PAGE):
                found["start"][way.name].append(bench.start(way))
            for slow, ways in found["stream"].items():
                for way in STREAMING:
                    ways[way.name].append(bench.stream(way, int(slow)))
            found |= {"rounds": number + 1, "load": round(psutil.getloadavg()[2], 1)}
            keep(found)
        browser.close()
    return found


# --- into words ----------------------------------------------------------------------------------------------------------------------


def start_table(starts: dict[str, list[Json]]) -> str:
    lines = [
        "| ms | first picture | first text | field ready | kB received | again: first picture | again: field ready |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    columns = [("first", "paint"), ("first", "text"), ("first", "usable"), ("first", "kilobytes"), ("again", "paint"), ("again", "usable")]
    for name, rounds in starts.items():
        lines.append(f"| {name} | " + " | ".join(f"{median(one[visit][what] for one in rounds):.0f}" for visit, what in columns) + " |")
    pairs = list(zip(starts[CLIENT.name], starts[PAGE.name], strict=True))
    ratios = [f"{median(a[visit][what] / b[visit][what] for a, b in pairs):.2f} ×" for visit, what in columns]
    return "\n".join([*lines, "| **ratio** | " + " | ".join(ratios) + " |"])


def stream_table(ways: dict[str, list[Json]], *, cpu: bool) -> str:
    head = ["frame p50, ms", "p95", "p99", "missed frames", "tasks over 50 ms", *(["processor, s"] if cpu else [])]
    lines = ["| | " + " | ".join(head) + " |", "|---|" + "---:|" * len(head)]
    for name, rounds in ways.items():
        figures = [f"{median(percentile(one['gaps'], share) for one in rounds):.1f}" for share in (0.5, 0.95, 0.99)]
        figures.append(f"{median(late(one) for one in rounds) * 100:.1f} %")
        figures.append(f"{median(len(one['long']) for one in rounds):.0f}")
        figures += [f"{median(one['cpu_s'] for one in rounds):.2f}"] if cpu else []
        lines.append(f"| {name} | " + " | ".join(figures) + " |")
    for other in [name for name in ways if name != CLIENT.name] if cpu else []:
        ratio = median(a["cpu_s"] / b["cpu_s"] for a, b in zip(ways[CLIENT.name], ways[other], strict=True))
        lines.append(f"| **processor, ratio to {other.replace('the phone client, ', 'itself, ')}** |" + " |" * (len(head) - 1) + f" {ratio:.2f} × |")
    return "\n".join(lines)


def late(one: Json) -> float:
    """The share of the screen's turns that were missed."""
    turns = sum(one["gaps"]) / FRAME_MS
    return max(0.0, 1 - len(one["gaps"]) / turns)


def section(found: Json) -> str:
    seconds = WINDOW_MS / 1000
    return "\n\n".join(
        [
            f"Measured on {found['when']} on {found['machine']}, load average {found['load']}; {found['rounds']} rounds, alternating; "
            "medians over the rounds, ratios within a round.",
            f"**How soon it is there**: processor {SLOW} times slower, 20 Mbit/s, 10 ms each way; "
            "a browser that comes for the first time, and once more.",
            start_table(found["start"]),
            f"**While an answer streams**, 50 tokens a second, {seconds:.0f} s of it, below {MESSAGES} messages:",
            stream_table(found["stream"]["1"], cpu=True),
            f"The same with the processor {SLOW} times slower (its time says nothing then):",
            stream_table(found["stream"][str(SLOW)], cpu=False),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all figures to this file, after each round")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    if not (ROOT / "frontend-uniapp" / "dist" / "build" / "h5" / "index.html").is_file():
        parser.error("the phone client is not built: npm run build:h5 --prefix frontend-uniapp")
    found = run(options.rounds, lambda so_far: options.json.write_text(json.dumps(so_far), encoding="utf-8") if options.json else None)
    text = section(found)
    print(text)
    if options.write:
        file = ROOT / "docs" / "performance.md"
        begin, end = map(re.escape, MARKS)
        changed, count = re.subn(f"{begin}.*{end}", lambda _: f"{MARKS[0]}\n\n{text}\n\n{MARKS[1]}", file.read_text(encoding="utf-8"), flags=re.S)
        if count != 1:
            raise ValueError(f"{file} must have the marks of benchmarks/phone.py once")
        file.write_text(changed, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
