"""What the terminal shows when the server is ready: a short aligned summary and a QR code."""

from __future__ import annotations

import io
import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

import segno

from inference.types import EngineInfo
from llmsite.network import Address
from llmsite.serve.words import say

LABELS = ("model", "client", "data", "admin", "stop", "phones", "here", "pairing", "name")
BOLD, YELLOW, PLAIN = "\033[1m", "\033[33m", "\033[0m"
# Exactly white on exactly black, whatever the terminal's theme: some phones do not read a QR code in negative.
WHITE_ON_BLACK = "\033[38;5;231;48;5;16m"


class Screen:
    """Writes to the person's terminal; without colours and QR code when it is a file or a pipe."""

    def __init__(self, stream: TextIO | None = None, *, qr: bool = True) -> None:
        self.stream = stream or sys.stdout
        self.tty = self.stream.isatty()
        self.colours = self.tty and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.qr_wanted = qr and self.tty

    def line(self, text: str = "") -> None:
        print(text, file=self.stream, flush=True)

    def bold(self, text: str) -> str:
        return f"{BOLD}{text}{PLAIN}" if self.colours else text

    def warn(self, text: str) -> None:
        self.line(f"{YELLOW}{text}{PLAIN}" if self.colours else text)

    def rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Label and value, aligned with the rows of other calls, too; a repeated label is said once."""
        width = max(_columns(say(name)) for name in LABELS)
        last = ""
        for label, value in rows:
            shown = "" if label == last else label
            self.line(f"  {shown}{' ' * (width - _columns(shown))}  {value}")
            last = label

    def qr(self, url: str) -> None:
        """The QR code of an address, where the output can show it."""
        if not self.qr_wanted:
            return
        drawn = io.StringIO()
        segno.make(url, error="l", micro=False).terminal(drawn, compact=True, border=2)
        encoding = self.stream.encoding or "ascii"
        for line in drawn.getvalue().splitlines():
            # A character the terminal's encoding lacks would come out as "?", and a QR code full of those is worse than none.
            if line.encode(encoding, "replace").decode(encoding) != line:
                return
            self.line(f"  {WHITE_ON_BLACK}{line}{PLAIN}" if self.tty else f"  {line}")


def model_line(info: EngineInfo) -> str:
    """Name, device, number format, context window."""
    # A model that was named by its folder is known by that name already.
    name = info.name if info.name.endswith(info.model) else f"{info.name} ({info.model})"
    parts = [name, info.device, info.dtype]
    if info.context_window:
        parts.append(say("context", tokens=f"{info.context_window:,}"))
    return " · ".join(part for part in parts if part)


def why_slow(info: EngineInfo) -> str:
    """What to do about a model that could answer faster; "" where nothing can be done."""
    if info.compiler_failed:
        return say("compiler_failed", reason=info.compiler_failed)
    return say("compiler_missing") if info.compiler_missing else ""


def address_rows(addresses: Sequence[Address], port: int) -> list[tuple[str, str]]:
    """A row for each address that phones may use, the best first."""
    rows = []
    for address in addresses:
        kind = say(f"kind.{address.kind}")
        rows.append((say("phones"), f"{address.url(port)}  {', '.join(part for part in (address.interface, kind) if part)}"))
    return rows


def _columns(text: str) -> int:
    """How wide a terminal shows it: Chinese characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
