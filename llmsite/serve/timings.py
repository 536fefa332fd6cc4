"""Where the time of a start went: from the start of the process to the first answer."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

import psutil


class Timings:
    """Steps in order, each from the end of the one before. The first begins with the process itself, so Python's own start counts."""

    def __init__(self) -> None:
        self._began: float = time.time() - process_age()
        self._last: float = self._began
        self.steps: list[tuple[str, float]] = []

    def mark(self, step: str) -> None:
        now = time.time()
        self.steps.append((step, max(0.0, now - self._last)))
        self._last = now

    @property
    def total(self) -> float:
        return max(0.0, self._last - self._began)

    def table(self, details: Mapping[str, Mapping[str, float]] | None = None) -> str:
        """Aligned lines; `details` has the parts of a step, by its name."""
        rows: list[tuple[str, float]] = []
        for step, seconds in self.steps:
            rows.append((step, seconds))
            rows.extend((f"  {part}", part_s) for part, part_s in (details or {}).get(step, {}).items())
        rows.append(("total", self.total))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {seconds:8.3f} s" for name, seconds in rows)


def process_age() -> float:
    """Seconds since this process began.

    On Linux psutil adds to the moment of the computer's start, which the system tells in whole seconds; the clock that runs since then is exact.
    """
    with contextlib.suppress(AttributeError, OSError, ValueError, IndexError), open("/proc/self/stat", encoding="utf-8", errors="replace") as stat:
        after_name = stat.read().rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - psutil.Process().create_time()
