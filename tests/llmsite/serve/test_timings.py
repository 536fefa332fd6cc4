from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmsite.serve import timings
from llmsite.serve.timings import Timings

ROOT = Path(__file__).resolve().parents[3]


def test_steps_add_up_from_the_start_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(timings.time, "time", lambda: now[0])
    monkeypatch.setattr(timings, "process_age", lambda: 1.0)
    clock = Timings()
    clock.mark("start")
    now[0] = 103.5
    clock.mark("model")
    assert clock.steps == [("start", 1.0), ("model", 3.5)]
    assert clock.table({"model": {"import torch": 2.0}}).splitlines() == [
        "start              1.000 s",
        "model              3.500 s",
        "  import torch     2.000 s",
        "total              4.500 s",
    ]


def test_the_age_of_a_process_is_exact_and_not_to_the_second() -> None:
    program = (
        "from time import monotonic; began = monotonic(); from llmsite.serve.timings import process_age; print(process_age() - monotonic() + began)"
    )
    before = time.monotonic()
    told = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, cwd=ROOT)
    assert -0.02 <= float(told.stdout) <= time.monotonic() - before, "how long Python took until its first line"


def test_a_clock_that_is_set_back_gives_no_negative_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "process_age", lambda: 1.0)
    clock = Timings()
    monkeypatch.setattr(timings.time, "time", lambda: 0.0)
    clock.mark("start")
    assert clock.steps == [("start", 0.0)]
    assert clock.total == 0.0
