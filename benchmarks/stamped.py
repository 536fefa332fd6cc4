"""`manage.py serve`, with a clock at the engine: when each piece of text was decoded, and when the engine handed it over.

python -m benchmarks.stamped serve …; the times go to the file BENCH_STAMPS, one line of JSON an answer. CLOCK_MONOTONIC is one clock for all
processes of a computer, so a client can say how long a piece was on its way. With BENCH_ENGINE_ONLY the clock is in the engine's thread alone, so
that it costs the others nothing. With BENCH_ENDLESS the model's end token ends nothing: every answer is as
long as was asked for, whatever the model has to say.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from time import monotonic
from typing import Any

from inference.transformers_engine import TransformersEngine
from inference.types import Delta, Finish, Prompt

ROOT = Path(__file__).resolve().parent.parent
STAMPS = Path(os.environ["BENCH_STAMPS"])
ENGINE_ONLY = bool(os.environ.get("BENCH_ENGINE_ONLY"))
_decoded: dict[str, list[list[float]]] = {}
"""By answer: for each piece of text the times of the tokens that it came to be of."""


def _stamp_decoding() -> None:
    """In the engine's thread: the earliest moment at which a token's text exists."""
    from inference.decode_loop import DecodeLoop, Event
    from inference.scheduler import Run

    post = DecodeLoop._post

    def stamped(self: DecodeLoop, run: Run, event: Event) -> None:
        if isinstance(event, Delta) and event.text:
            pieces = _decoded.setdefault(run.id, [])
            last = run.owner.pending[-1] if run.owner.pending else None
            if isinstance(last, Delta) and last.channel == event.channel and last.text:
                pieces[-1].append(monotonic())  # it leaves with the one before it
            else:
                pieces.append([monotonic()])
        elif isinstance(event, Finish) and ENGINE_ONLY:
            _write(json.dumps({"run": run.id, "decoded": _decoded.pop(run.id, []), "threads": _threads()}))
        post(self, run, event)

    DecodeLoop._post = stamped  # type: ignore[method-assign]


def _never_end() -> None:
    from inference.decode_loop import DecodeLoop

    made = DecodeLoop.__init__

    def endless(self: DecodeLoop, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs | {"eos_ids": frozenset()})

    DecodeLoop.__init__ = endless  # type: ignore[method-assign]


def _stamp_stream() -> None:
    """At the contract, Engine.stream: the moment at which the chat gets a piece."""
    stream = TransformersEngine.stream

    async def stamped(self: TransformersEngine, prompt: Prompt) -> AsyncGenerator[Delta | Finish, None]:
        yielded: list[list[float]] = []
        async with aclosing(stream(self, prompt)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    if event.text:
                        yielded.append([monotonic()] * max(1, event.tokens))
                else:
                    line = {"run": prompt.id, "decoded": _decoded.pop(prompt.id, []), "yielded": yielded, "threads": _threads()}
                    _write(json.dumps(line))
                yield event

    TransformersEngine.stream = stamped  # type: ignore[method-assign]


def _threads() -> dict[str, int]:
    """The system's number of each thread that Python knows, by its name: who used the processor can be told apart by it."""
    return {thread.name: thread.native_id for thread in threading.enumerate() if thread.native_id is not None}


def _write(line: str) -> None:
    """Once an answer, when its text is out already."""
    with STAMPS.open("a") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    _stamp_decoding()
    if not ENGINE_ONLY:
        _stamp_stream()
    if os.environ.get("BENCH_ENDLESS"):
        _never_end()
    sys.argv = ["manage.py", *sys.argv[1:]]
    runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
