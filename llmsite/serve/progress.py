"""A progress line for the terminal: a bar that is redrawn in place, or plain lines where the output is not a terminal."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from llmsite.serve.words import say

WIDTH = 24
MIN_ETA_S = 1.0


class ProgressLine:
    """Shows `step`s with an optional fraction. Call `show` as often as you like; `clear` before anything else is printed."""

    def __init__(self, stream: TextIO, label: str) -> None:
        self.stream, self.label = stream, label
        self.tty = stream.isatty()
        self.step = ""
        self.taken: dict[str, float] = {}
        """Seconds of the steps that are over."""
        self._fraction: float | None = None
        self._step_began = 0.0
        self._drawn = 0

    def show(self, step: str, fraction: float | None) -> None:
        now = time.monotonic()
        self._fraction = fraction
        if step != self.step:
            self._over(now)
            self.step, self._step_began = step, now
            if not self.tty:
                print(f"{self.label}: {step}" if self.label else f"  {step}", file=self.stream, flush=True)
        if self.tty:
            self._draw(self._text(step, fraction, now - self._step_began))

    def clear(self) -> None:
        self._over(time.monotonic())
        if self.tty and self._drawn:
            self._draw("")
            self._drawn = 0

    def _over(self, now: float) -> None:
        if self.step:
            self.taken[self.step] = now - self._step_began

    @contextlib.contextmanager
    def ticking(self, every_s: float = 0.5) -> Iterator[None]:
        """Meanwhile a thread counts the seconds of a step that says nothing for long."""
        over = threading.Event()

        def tick() -> None:
            while not over.wait(every_s):
                if self.step:
                    self.show(self.step, self._fraction)

        thread = threading.Thread(target=tick, name="progress", daemon=True)
        if self.tty:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if self.tty:
                thread.join()
            self.clear()

    def _text(self, step: str, fraction: float | None, seconds: float) -> str:
        if fraction is None:
            return f"{self.label}  {step}  {seconds:.0f} s"
        done = round(max(0.0, min(1.0, fraction)) * WIDTH)
        text = f"{self.label}  [{'#' * done}{'.' * (WIDTH - done)}] {fraction:4.0%}  {step}  {seconds:.0f} s"
        left = seconds / fraction - seconds if fraction > 0.02 else 0.0
        return f"{text}, {say('left', seconds=f'{left:.0f}')}" if left >= MIN_ETA_S else text

    def _draw(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]  # a line that wraps cannot be taken back
        self.stream.write(f"\r{text}{' ' * (self._drawn - len(text))}\r{text}" if len(text) < self._drawn else f"\r{text}")
        self.stream.flush()
        self._drawn = len(text)
