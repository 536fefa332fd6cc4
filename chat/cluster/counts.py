"""The limits of several web processes (chat/limits.py): each tells the others what it gave to whom, some milliseconds after it has.

Nobody asks before giving, so no request and no frame waits for Redis, and while Redis is away each process counts by itself. What two give at
the same moment may so be more than the limit; all of them take it for a debt, and the rate over time is that of one process.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from chat.cluster.messages import Json
from chat.limits import MOST_KEYS, Limiter

LATE_S = 10.0
"""What was given longer ago has been earned again, or nearly; the clocks agree to a few seconds."""


class Counts:
    """`wake` says on the event loop that there is something to collect."""

    def __init__(self, process: str, limiter: Limiter, wake: Callable[[], None]) -> None:
        self._process, self._limiter, self._wake = process, limiter, wake
        self._lock = threading.Lock()
        self._since = 0.0
        self._took: dict[str, dict[str, float]] = {}
        self._opened: dict[str, int] = {}
        self._all = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        """From here on, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._limiter.took, self._limiter.opened = self._note_taken, self._note_opened

    def unbind(self) -> None:
        self._loop = None

    def say_all(self) -> None:
        """Of the open sockets, for whoever has missed something or is new."""
        with self._lock:
            self._begin()
            self._all = True

    def collect(self) -> Json:
        """What there is to tell; {} when nothing is."""
        with self._lock:
            took, opened, all_, since = self._took, self._opened, self._all, self._since
            self._took, self._opened, self._all, self._since = {}, {}, False, 0.0
        if not since:
            return {}
        if all_ or time.time() - since > LATE_S:  # Redis was away
            opened, all_ = self._limiter.open_sockets(), True
        said: Json = {"from": self._process, "at": since, "sockets": opened, "all": all_}
        return said | {"took": took}

    def hear(self, said: Json) -> None:
        """What another process has told."""
        if abs(time.time() - said["at"]) <= LATE_S:
            for key, costs in said["took"].items():
                self._limiter.taken_elsewhere(key, costs)
        if said["sockets"] or said["all"]:
            self._limiter.open_at(said["from"], said["sockets"], all_=said["all"])

    def _note_taken(self, key: str, costs: Mapping[str, float]) -> None:
        with self._lock:
            self._begin()
            if len(self._took) >= MOST_KEYS:  # Redis has been away for long
                self._took.clear()
            mine = self._took.setdefault(key, {})
            for kind, cost in costs.items():
                mine[kind] = mine.get(kind, 0) + cost

    def _note_opened(self, key: str, count: int) -> None:
        with self._lock:
            self._begin()
            self._opened[key] = count

    def _begin(self) -> None:
        if not self._since:
            self._since = time.time()
            if self._loop is not None:
                with suppress(RuntimeError):  # the loop is closed: the process ends
                    self._loop.call_soon_threadsafe(self._wake)
