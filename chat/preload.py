"""The page's modules, so that a browser can ask for all of them at once instead of finding each in the one before it.

On a phone each step of that search is a way to the computer and back.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders

IMPORT = re.compile(r'^(?:import|export)\b[^;"\']*["\'](\.{1,2}/[^"\']+)["\'];?$', re.MULTILINE)


@cache
def modules(entry: str) -> tuple[str, ...]:
    """The static names of what `entry` imports, and what those import. What is loaded when it is first needed (`import(…)`) is not among them."""
    found: dict[str, None] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop(0)
        path = finders.find(name)
        if name in found or path is None:
            continue
        found[name] = None
        text = Path(str(path)).read_text(encoding="utf-8")
        waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(name), other)) for other in IMPORT.findall(text)]
    return tuple(found)[1:]
