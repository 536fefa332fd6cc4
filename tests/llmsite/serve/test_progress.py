from __future__ import annotations

import io
import time

import pytest

from llmsite.serve import progress
from llmsite.serve.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        """What stands in the line now, as a terminal would show it."""
        line = ""
        for part in self.getvalue().split("\r"):
            line = part + line[len(part) :]
        return line.rstrip()


def test_a_file_gets_a_line_for_each_step() -> None:
    out = io.StringIO()
    line = ProgressLine(out, "Loading tiny")
    for step, fraction in [("read", None), ("read", 0.5), ("place", 0.1), ("place", 1.0)]:
        line.show(step, fraction)
    line.clear()
    assert out.getvalue() == "Loading tiny: read\nLoading tiny: place\n"
    assert list(line.taken) == ["read", "place"]


def test_a_terminal_gets_one_line_that_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = Terminal()
    line = ProgressLine(out, "Loading tiny")
    line.show("a long name for a step", 0.25)
    now[0] = 10.0
    line.show("a long name for a step", 0.5)
    assert out.shown() == "Loading tiny  [############............]  50%  a long name for a step  10 s, about 10 s more"
    line.show("check", None)
    assert out.shown() == "Loading tiny  check  0 s"
    line.clear()
    assert out.shown() == ""
    assert "\n" not in out.getvalue()


def test_a_narrow_terminal_is_not_overrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    ProgressLine(out, "Loading").show("a step that is much too long", 0.5)
    assert len(out.shown()) <= 19


@pytest.mark.parametrize("fraction", [-1.0, 0.0, 1.0, 7.0])
def test_any_fraction_draws_a_whole_bar(fraction: float) -> None:
    out = Terminal()
    ProgressLine(out, "x").show("y", fraction)
    bar = out.shown().partition("[")[2].partition("]")[0]
    assert len(bar) == progress.WIDTH


def test_the_seconds_count_while_nothing_is_said() -> None:
    out = Terminal()
    line = ProgressLine(out, "")
    with line.ticking(every_s=0.01):
        line.show("wait", None)
        drawn = len(out.getvalue())
        deadline = time.monotonic() + 5
        while len(out.getvalue()) == drawn and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(out.getvalue()) > drawn
    assert out.shown() == ""
