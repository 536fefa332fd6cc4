"""The sections of docs/performance.md that a benchmark writes: what stands between its marks."""

from __future__ import annotations

import re
from pathlib import Path


def replace_section(file: Path, name: str, text: str) -> None:
    """Put `text` between the marks of `name`. Raises ValueError where the file has them not, or more than once."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = file.read_text(encoding="utf-8")
    new, count = re.subn(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}\n\n{text}\n\n{end}", old, flags=re.S)
    if count != 1:
        raise ValueError(f"{file} must have the marks {begin} and {end} once")
    file.write_text(new, encoding="utf-8")
