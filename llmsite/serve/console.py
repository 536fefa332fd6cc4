"""What of the log reaches the terminal while serving: one line for an error, its traceback only into the log file."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from llmsite.serve.words import say


class OneLine(logging.Formatter):
    """The error in one sentence, and where to read on."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def format(self, record: logging.LogRecord) -> str:
        said = record.getMessage().strip().splitlines() or [record.name]
        reason = f": {type(record.exc_info[1]).__name__}" if record.exc_info and record.exc_info[1] else ""
        return say("bug", error=f"{said[0]}{reason}", log=self.log)


def speak_plainly(log: Path) -> None:
    """Set the terminal's part of the log up for a person."""
    # A full disk must not answer each line that it cannot take with a traceback on the terminal.
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    for handler in _terminal_handlers():
        handler.setFormatter(OneLine(log))


def say_no_more() -> None:
    """While ending: what libraries say about connections that were cut is for the log file."""
    for handler in _terminal_handlers():
        handler.setLevel(logging.CRITICAL + 1)


def _terminal_handlers() -> list[logging.Handler]:
    return [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler) and h.stream in (sys.stderr, sys.stdout)]
