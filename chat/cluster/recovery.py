"""What the log in Redis still knows of an engine process's runs: more than the database, by what the last flush had not taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from chat.cluster import messages
from chat.cluster.messages import Json
from chat.runlog import Piece

Texts = Mapping[UUID, list[tuple[int, list[Piece]]]]


def texts_in(batches: Iterable[Json], engine: str) -> Texts:
    """Of each run: pieces with the number of the first of them, counted from 0, in their order."""
    found: dict[UUID, list[tuple[int, list[Piece]]]] = {}
    for batch in batches:
        if batch["engine"] != engine:
            continue
        for run, update in batch["runs"].items():
            if "pieces" in update:
                found.setdefault(UUID(run), []).append((update["from"], messages.unpacked(update["pieces"])))
    return found
