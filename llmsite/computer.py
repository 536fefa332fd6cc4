"""Which computer this is: an id that phones may see, so that what they know of one is never sent to another that got its address."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from uuid import UUID, uuid4

FILE = "computer_id"


def computer_id(data: Path) -> str:
    """The id in `data`/computer_id, made once. It is chance and says nothing of the computer; whoever moves the data folder moves it along.

    Only the process that has the folder's lock calls this.
    """
    path = data / FILE
    with contextlib.suppress(FileNotFoundError, ValueError):  # ValueError: a power cut left half of it, or it was edited
        return str(UUID(path.read_text(encoding="ascii").strip()))
    new = str(uuid4())
    beside = path.with_name(f"{FILE}.new")
    with beside.open("w", encoding="ascii") as file:
        file.write(f"{new}\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return new
