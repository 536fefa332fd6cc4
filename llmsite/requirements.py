"""Reads requirements files as far as the installer needs. Standard library only, and quick: every start does it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

MARKER = re.compile(r"""^sys_platform\s*(==|!=)\s*["'](\w+)["']$""")
LINE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*([^;#]*)(?:;([^#]*))?")


def requirement_lines(file: Path) -> list[tuple[str, str]]:
    """(distribution, version clause) of each requirement that concerns this system. Included files are read by their own name."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        match = LINE.match(line.strip())
        if match and _concerns_us((match[4] or "").strip()):
            found.append((match[1], match[3].strip()))
    return found


def _concerns_us(marker: str) -> bool:
    if not marker:
        return True
    match = MARKER.match(marker)
    return match is not None and (sys.platform == match[2]) == (match[1] == "==")
