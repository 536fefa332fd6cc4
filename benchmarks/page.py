"""How smooth the chat page stays: a 20,000-character answer as it comes, and a conversation of 500 messages, in Chromium.

    python -m benchmarks.page            # prints the table
    python -m benchmarks.page --write    # and puts it into docs/performance.md

The page's own module is compared with the naive way, which reads and draws the whole answer again for each batch (marked, DOMPurify and
innerHTML; without formulas and colours, which ours has). Both run on the real page under its policy and take turns, round after round.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.contenders import ROOT, Ours
from benchmarks.report import percentile
from benchmarks.serve import machine

MARKS = "<!-- benchmarks/page.py: begin -->", "<!-- benchmarks/page.py: end -->"
CHARS = 20_000
BATCH = 100
"""Characters that come in 100 ms at 1,000 characters per second, more than any model here writes."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
Json = dict[str, Any]

PROSE = "Some **bold** and *slanted* words with `code`, a [link](https://example.com/a) and 中文 as well, so that it is like an answer. "
CODE = "def function_number(argument, other=None):\n    return [argument, 'text', 42]  # what it says\n"
TEXTS: dict[str, Callable[[], str]] = {
    "mixed": lambda: _mixed(),
    "one list": lambda: "".join(f"- item number {n} with **bold** words and `code` in it\n" for n in range(400)),
    "one table": lambda: "| n | what | why |\n|---|---|---|\n" + "".join(f"| {n} | **bold** cell | a `code` cell |\n" for n in range(600)),
    "one block of code": lambda: "```python\n" + CODE * 240,
    "one paragraph": lambda: PROSE * 180,
}


def _mixed() -> str:
    part = (
        f"## A heading\n\n{PROSE * 3}\n\n- one\n- two **bold**\n  - nested\n- three\n\n"
        f"| a | b |\n|---|---|\n| 1 | $x^2$ |\n| 2 | `y` |\n\n"
        f"```python\n{CODE * 2}```\n\n"
        f"Inline $a^2 + b^2 = c^2$ and\n\n$$\n\\int_0^1 f(x)\\,dx = \\frac{{1}}{{2}}\n$$\n\n1. first\n2. second\n\n> quoted\n\n"
    )
    return part * 20


SETUP = """async () => {
  const { Markdown } = await import("/static/chat/markdown.js");
  const { words } = await import("/static/chat/words.js");
  const { Marked } = await import("/static/chat/vendor/marked/marked.esm.js");
  const { default: purify } = await import("/static/chat/vendor/dompurify/purify.es.mjs");
  const parser = new Marked();
  const thread = document.getElementById("thread");
  document.getElementById("welcome").hidden = true;
  const root = () => {
    const text = Object.assign(document.createElement("div"), { className: "text" });
    const message = Object.assign(document.createElement("article"), { className: "message assistant" });
    message.append(text);
    thread.append(message);
    return text;
  };
  const naive = () => {
    const at = root();
    at.classList.add("markdown");
    return { update: text => { at.innerHTML = purify.sanitize(parser.parse(text)) } };
  };
  window.make = { ours: () => new Markdown(root(), { words }), naive: () => naive() };
  window.long = [];
  new PerformanceObserver(list => long.push(...list.getEntries().map(one => one.duration))).observe({ entryTypes: ["longtask"] });
  const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
  // One batch after the other, each with its layout, and the view at the end, as it is for a reader who follows.
  window.stream = async (way, text, batch) => {
    const made = make[way](), took = [], box = document.getElementById("scroller");
    await pause(200);
    long.length = 0;
    for (let end = batch; end < text.length + batch; end += batch) {
      const began = performance.now();
      made.update(text.slice(0, end), true);
      box.scrollTop = box.scrollHeight;
      took.push(performance.now() - began);
      await pause(20);
    }
    await pause(200);
    return { took, long: [...long] };
  };
  window.openAll = async (way, texts) => {
    await pause(200);
    long.length = 0;
    const began = performance.now();
    texts.forEach((text, place) => place % 2 ? make[way]().update(text, false) : root().append("A question?"));
    const box = document.getElementById("scroller");
    box.scrollTop = box.scrollHeight;
    const took = performance.now() - began;
    await pause(1500);
    return { took, long: [...long] };
  };
}"""


def fresh(browser: Browser, port: int) -> Page:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("#hint:not(:empty)", state="attached")
    page.evaluate(SETUP)
    # What loads once is no part of it: the formulas' library and the colours.
    page.evaluate(
        "() => { const made = make.ours(); made.update('$x$\\n\\n```py\\nx\\n```\\n', true); made.update('$x$\\n\\n```py\\nx\\n```\\n', false) }"
    )
    page.wait_for_selector(".katex")
    return page


def measured(page: Page, call: str, *given: Any) -> Json:
    """A call's own figures, and the seconds that the page's main thread worked meanwhile."""
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")

    def busy() -> float:
        metrics = {one["name"]: one["value"] for one in client.send("Performance.getMetrics")["metrics"]}
        return float(metrics["TaskDuration"])

    before = busy()
    result: Json = page.evaluate(f"given => {call}(...given)", list(given))
    return {**result, "busy_ms": (busy() - before) * 1000}


def run(rounds: int) -> dict[str, dict[str, list[Json]]]:
    found: dict[str, dict[str, list[Json]]] = {}

    def note(name: str, way: str, result: Json) -> None:
        found.setdefault(name, {}).setdefault(way, []).append(result)

    with tempfile.TemporaryDirectory() as folder, Ours("fake", 64, Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for _ in range(rounds):
            for name, text in TEXTS.items():
                for way in ("ours", "naive"):
                    page = fresh(browser, server.port)
                    note(name, way, measured(page, "stream", way, text()[:CHARS], BATCH))
                    page.close()
            for way in ("ours", "naive"):
                page = fresh(browser, server.port)
                note("opening 500 messages", way, measured(page, "openAll", way, [_mixed()[:1500]] * 500))
                note("mixed, below 500 messages", way, measured(page, "stream", way, _mixed()[:CHARS], BATCH))
                page.close()
        browser.close()
    return found


def summary(results: list[Json]) -> Json:
    """Medians over the rounds; of one figure per round for an opening, of one per batch for a stream."""
    taken = [one["took"] if isinstance(one["took"], list) else [one["took"]] for one in results]
    return {
        "p50": median(percentile(one, 0.5) for one in taken),
        "p95": median(percentile(one, 0.95) for one in taken),
        "most": median(max(one) for one in taken),
        "long": median(len(one["long"]) for one in results),
        "busy": median(one["busy_ms"] for one in results),
    }


def table(found: dict[str, dict[str, list[Json]]]) -> str:
    lines = ["| 20,000 characters | | ms per batch, p50 | p95 | most | tasks over 50 ms | main thread, s |", "|---|---|---:|---:|---:|---:|---:|"]
    for name, ways in found.items():
        sums = {way: summary(results) for way, results in ways.items()}
        for way, one in sums.items():
            figures = f"{one['p50']:.1f} | {one['p95']:.1f} | {one['most']:.1f} | {one['long']:.0f} | {one['busy'] / 1000:.2f}"
            lines.append(f"| {name if way == 'ours' else ''} | {'llmsite' if way == 'ours' else 'the naive way'} | {figures} |")
        pairs = list(zip(ways["ours"], ways["naive"], strict=True))
        busy = median(a["busy_ms"] / b["busy_ms"] for a, b in pairs)
        batch = median(summary([a])["p95"] / summary([b])["p95"] for a, b in pairs)
        lines.append(f"| | **ratio** | | {batch:.2f} × | | | {busy:.2f} × |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    found = run(options.rounds)
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    text = (
        f"Measured on {when} on {machine()}; {options.rounds} rounds, alternating; medians over the rounds, ratios within a round.\n\n{table(found)}"
    )
    print(text)
    if options.write:
        file = ROOT / "docs" / "performance.md"
        begin, end = map(re.escape, MARKS)
        changed, count = re.subn(f"{begin}.*{end}", lambda _: f"{MARKS[0]}\n\n{text}\n\n{MARKS[1]}", file.read_text(encoding="utf-8"), flags=re.S)
        if count != 1:
            raise ValueError(f"{file} must have the marks of benchmarks/page.py once")
        file.write_text(changed, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
