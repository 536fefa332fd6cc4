"""What one socket still has to be sent. Bounded: a slow phone costs the server its place in each log, not a copy of the text.

A mailbox watches runs: for each it keeps the number of the last frame that was sent. When the socket is ready for more it takes
everything behind that number, merged into few frames, however much that has become. Nothing a socket does or omits delays a run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chat.protocol import Frame, Queued
from chat.runlog import RunLog

MAX_DIRECT = 256
"""Errors, notices and pongs that wait to be sent; a client that asks for more and reads nothing loses the oldest."""

MAX_UNREAD = 8
"""Runs that are over while the socket has not taken their text. Each keeps it in memory, so nothing more is begun for a client that reads nothing."""


class Watchable(Protocol):
    """A run as a mailbox sees it: live or stored."""

    log: RunLog
    place: Queued | None
    """Its place in the queue; a new object whenever it changes, None once it has started."""

    def listen(self, wake: Callable[[], None]) -> None: ...
    def unlisten(self, wake: Callable[[], None]) -> None: ...


@dataclass(slots=True)
class _Watch:
    run: Watchable
    sent: int
    place: Queued | None = None
    over: bool = False
    """Nothing more of it is sent: all was, or the run is watched anew, or the socket is gone."""


class Mailbox:
    """`send` writes one frame and returns when the socket is ready for the next."""

    def __init__(self, send: Callable[[Frame], Awaitable[None]]) -> None:
        self._send = send
        self._direct: deque[Frame] = deque(maxlen=MAX_DIRECT)
        self._watches: dict[UUID, _Watch] = {}
        self._news = True
        """There may be something to send."""
        self._sleeper: asyncio.Future[None] | None = None
        self._read = asyncio.Event()

    def post(self, frame: Frame) -> None:
        """Send a frame that belongs to no run's log."""
        self._direct.append(frame)
        self._wake()

    def watch(self, run: Watchable, after: int = -1) -> None:
        """Send the run's frames behind `after`, those that are there and those to come.

        A client may have seen frames that a power cut took from the log: then it gets the run from its start, as it is stored.
        """
        if after > len(run.log.pieces):
            after = -1
        if (old := self._watches.pop(run.log.run, None)) is not None:
            old.over = True
            old.run.unlisten(self._wake)
        self._watches[run.log.run] = _Watch(run, after)
        run.listen(self._wake)
        self._wake()

    def _wake(self) -> None:
        """Called for each token of each run that is watched: a flag and a future are all that it takes."""
        self._news = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    async def room(self) -> None:
        """Wait until few enough of the runs that are over are unread."""
        while sum(watch.run.log.end is not None for watch in self._watches.values()) >= MAX_UNREAD:
            self._read.clear()
            await self._read.wait()

    async def deliver(self) -> None:
        """Send for ever; to be run as a task that its owner cancels."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._news:
                self._sleeper = loop.create_future()
                await self._sleeper
            self._news = False
            while self._direct:
                await self._send(self._direct.popleft())
            for watch in tuple(self._watches.values()):
                await self._deliver_run(watch)

    async def _deliver_run(self, watch: _Watch) -> None:
        log = watch.run.log
        place = watch.run.place
        if place is not None and place is not watch.place:
            watch.place = place
            await self._send(place)
        while not watch.over and watch.sent < log.last and (frames := log.next(watch.sent)):
            for frame in frames:
                await self._send(frame)
                watch.sent = getattr(frame, "seq", watch.sent)
        if log.end is not None and watch.sent > log.end.seq:
            watch.sent = -1  # its process died, and what is stored of it is less than what was sent: that is the truth, from its start
            self._wake()
        elif log.end is not None and watch.sent == log.end.seq:
            self._forget(watch)

    def _forget(self, watch: _Watch) -> None:
        watch.over = True
        watch.run.unlisten(self._wake)
        if self._watches.get(watch.run.log.run) is watch:
            del self._watches[watch.run.log.run]
        self._read.set()

    def close(self) -> None:
        """The socket is gone: stop listening."""
        for watch in list(self._watches.values()):
            self._forget(watch)
