"""`manage.py serve`, with a clock at the engine: when each piece of text was decoded, and when the engine handed it over.

python -m benchmarks.stamped serve …; the times go to the file BENCH_STAMPS, one line of JSON an answer. CLOCK_MONOTONIC is one clock for all
processes of a computer, so a client can say how long a piece was on its way.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from time import monotonic

from inference.transformers_engine import TransformersEngine
from inference.types import Delta, Finish, Prompt

ROOT = Path(__file__).resolve().parent.parent
STAMPS = Path(os.environ["BENCH_STAMPS"])
_decoded: dict[str, list[float]] = {}


def _stamp_decoding() -> None:
    """In the engine's thread: the earliest moment at which a piece exists."""
    from inference.decode_loop import DecodeLoop, Event
    from inference.scheduler import Run

    post = DecodeLoop._post

    def stamped(self: DecodeLoop, run: Run, event: Event) -> None:
        if isinstance(event, Delta) and event.text:
            _decoded.setdefault(run.id, []).append(monotonic())
        post(self, run, event)

    DecodeLoop._post = stamped  # type: ignore[method-assign]


def _stamp_stream() -> None:
    """At the contract, Engine.stream: the moment at which the chat gets a piece."""
    stream = TransformersEngine.stream

    async def stamped(self: TransformersEngine, prompt: Prompt) -> AsyncGenerator[Delta | Finish, None]:
        yielded: list[float] = []
        async with aclosing(stream(self, prompt)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    if event.text:
                        yielded.append(monotonic())
                else:
                    line = json.dumps({"run": prompt.id, "decoded": _decoded.pop(prompt.id, []), "yielded": yielded})
                    _write(line)
                yield event

    TransformersEngine.stream = stamped  # type: ignore[method-assign]


def _write(line: str) -> None:
    """Once an answer, when its text is out already."""
    with STAMPS.open("a") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    _stamp_decoding()
    _stamp_stream()
    sys.argv = ["manage.py", *sys.argv[1:]]
    runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
