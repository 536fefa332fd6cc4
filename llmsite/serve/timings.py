"""Where the time of a start went: from the start of the process to the first answer."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psutil


class Timings:
    """Steps in order, each from the end of the one before. The first begins with the process itself, so Python's own start counts."""

    def __init__(self) -> None:
        self._began: float = psutil.Process().create_time()
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
