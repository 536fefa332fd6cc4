"""From the command to the first token: `manage.py serve` with the embedded model, again and again, with a database that is there already.

python -m benchmarks.startup [--model NAME] [--rounds 5] [--json FILE] [--write]

A phone connects as soon as the port is there and asks at once; the clock runs from before the command is started until its first text has come.
Where the time goes is what `serve --timings` prints.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from websockets.sync.client import connect

from benchmarks.contenders import ROOT, free_port
from benchmarks.sections import replace_section
from benchmarks.serve import machine

Json = dict[str, Any]
PERFORMANCE = ROOT / "docs" / "performance.md"
SECTION = "benchmarks/startup.py"
PATIENCE_S = 120.0
ROW = re.compile(r"^( *)(\S.*?)  +(\d+\.\d{3}) s$")
TARGET_S = 6.0


def one_start(model: str, data: Path) -> Json:
    """Seconds to the first text, to being ready, and of each step; processor seconds of the whole."""
    port = free_port()
    environment = os.environ | {"LLMSITE_DATA": str(data), "LLMSITE_MODEL": model, "LLMSITE_MDNS": "0", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(port), "--no-qr", "--timings"]
    output = data.with_suffix(".log")
    with output.open("wb") as file:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        try:
            first_s = _first_text(port, process) - began
            cpu = psutil.Process(process.pid).cpu_times()
            _until(lambda: "\ntotal " in output.read_text("utf-8", "replace"), process)
        finally:
            process.kill()
            process.wait()
    steps = {(len(found[1]) > 0, found[2]): float(found[3]) for line in output.read_text("utf-8").splitlines() if (found := ROW.match(line))}
    return {"first_s": first_s, "cpu_s": cpu.user + cpu.system, "steps": steps}


def _first_text(port: int, process: subprocess.Popen[bytes]) -> float:
    _until(lambda: _listens(port), process)
    with connect(f"ws://127.0.0.1:{port}/ws/chat/?v=1", proxy=None, compression=None, open_timeout=PATIENCE_S) as phone:
        phone.send(json.dumps({"message": "Hello, how are you today?"}))
        while json.loads(phone.recv(PATIENCE_S))["type"] != "stream":
            pass
        return time.monotonic()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(there: Any, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not there():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the server did not start")
        time.sleep(0.01)


def result_of(rounds: list[Json], options: argparse.Namespace) -> Json:
    longest = max((figures["steps"] for figures in rounds), key=len)  # a step that is over at once is sometimes not seen
    steps = {step: median(figures["steps"].get(step, 0.0) for figures in rounds) for step in longest}
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": options.machine or machine(),
        "model": options.model,
        "rounds": len(rounds),
        "first_s": median(figures["first_s"] for figures in rounds),
        "all_first_s": sorted(figures["first_s"] for figures in rounds),
        "cpu_s": median(figures["cpu_s"] for figures in rounds),
        "steps": [(part, name, seconds) for (part, name), seconds in steps.items()],
    }


def markdown(result: Json) -> str:
    low, high = result["all_first_s"][0], result["all_first_s"][-1]
    lines = [
        f"Measured on {result['when']} on {result['machine']}. Model: {result['model']}; {result['rounds']} starts, medians.",
        "",
        "| | s |",
        "|---|---:|",
        f"| **from the command to the first text on a phone** ({low:.1f} to {high:.1f}) | **{result['first_s']:.2f}** |",
        f"| processor time until then, all of the process | {result['cpu_s']:.2f} |",
    ]
    for part, name, seconds in result["steps"]:
        title = "from the start of the process until it is ready, in all" if name == "total" else name
        lines.append(f"| {'– of that, ' if part else ''}{title} | {seconds:.2f} |")
    reached = "reached" if result["first_s"] <= TARGET_S else "**missed**"
    return "\n".join([*lines, "", f"The target, at most {TARGET_S:.0f} s to the first text: {reached}."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="micromind")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--machine", help="what to call this computer in the report")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="llmsite-benchmark-") as folder:
        data = Path(folder) / "data"
        one_start(options.model, data)  # makes the database, and warms the disk
        rounds = [one_start(options.model, data) for _ in range(options.rounds)]
    result = result_of(rounds, options)
    text = markdown(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.write:
        replace_section(PERFORMANCE, SECTION, text)
    return 0 if result["first_s"] <= TARGET_S else 1


if __name__ == "__main__":
    sys.exit(main())
