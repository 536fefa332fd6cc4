"""Who decodes next: a fair queue in front of each engine's places.

The next free place goes to the client with the fewest answers running, among those to the one that was served longest ago: one client
with fifty messages delays another's first by one answer at most.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

PlaceCallback = Callable[[int, float | None], None]
"""Called with the number of runs ahead and the estimated seconds until the start (None: nothing is known yet)."""

SMOOTHING = 0.3
"""Weight of the newest run in the moving average of durations."""


class Ticket:
    """One run that waits."""

    def __init__(self, client: str, on_place: PlaceCallback) -> None:
        self.client = client
        self.on_place = on_place
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.place = -1
        self.began: float | None = None

    def begin(self) -> None:
        """From here on its time counts for the estimates of the others: not that of loading a model."""
        self.began = monotonic()


class FairQueue:
    """`slots` may change (the engine says how many answers it takes at once when it is loaded)."""

    def __init__(self, slots: int = 1) -> None:
        self.slots = slots
        self.waiting: dict[str, deque[Ticket]] = {}
        self.active: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._turn = 0
        self._duration_s: float | None = None

    def __len__(self) -> int:
        return sum(map(len, self.waiting.values()))

    @asynccontextmanager
    async def slot(self, client: str, on_place: PlaceCallback) -> AsyncIterator[Ticket]:
        """Wait for a place, hold it, give it back. Call `begin` of what it yields when the answer begins."""
        ticket = Ticket(client, on_place)
        self.waiting.setdefault(client, deque()).append(ticket)
        self._grant()
        try:
            await ticket.granted
        except asyncio.CancelledError:
            self._leave(ticket)
            raise
        try:
            yield ticket
        finally:
            if ticket.began is not None:
                self._learn(monotonic() - ticket.began)
            self._release(client)

    def resize(self, slots: int) -> None:
        self.slots = slots
        self._grant()

    def _leave(self, ticket: Ticket) -> None:
        """A cancelled ticket: still waiting, or granted in the same instant."""
        if ticket.granted.done() and not ticket.granted.cancelled():
            self._release(ticket.client)
            return
        if ticket in self.waiting.get(ticket.client, ()):
            self._remove(ticket)
            self._announce()

    def _remove(self, ticket: Ticket) -> None:
        tickets = self.waiting[ticket.client]
        tickets.remove(ticket)
        if not tickets:
            del self.waiting[ticket.client]

    def _release(self, client: str) -> None:
        self.active[client] -= 1
        if self.active[client] <= 0:
            del self.active[client]
            if client not in self.waiting:
                self._served.pop(client, None)
        self._grant()

    def _grant(self) -> None:
        while self.active.total() < self.slots and self.waiting:
            client = self._next(self.waiting, self.active, self._served)
            ticket = self.waiting[client][0]
            self._remove(ticket)
            if ticket.granted.done():
                continue  # cancelled, and its task has not run since
            self.active[client] += 1
            self._turn += 1
            self._served[client] = self._turn
            ticket.granted.set_result(None)
        self._announce()

    @staticmethod
    def _next(waiting: dict[str, deque[Ticket]], active: Counter[str], served: dict[str, int]) -> str:
        return min(waiting, key=lambda client: (active[client], served.get(client, 0)))

    def _announce(self) -> None:
        """Tell every waiting run its place, where it changed."""
        for place, ticket in enumerate(self._order()):
            if ticket.place != place:
                ticket.place = place
                ticket.on_place(place, self._eta(place))

    def _order(self) -> list[Ticket]:
        """The order in which they will be served if nothing else comes: the choice of `_next`, played through."""
        waiting = {client: deque(tickets) for client, tickets in self.waiting.items()}
        active, served, turn = Counter(self.active), dict(self._served), self._turn
        order: list[Ticket] = []
        while waiting:
            client = self._next(waiting, active, served)
            order.append(waiting[client].popleft())
            if not waiting[client]:
                del waiting[client]
            active[client] += 1
            turn += 1
            served[client] = turn
        return order

    def _eta(self, place: int) -> float | None:
        return None if self._duration_s is None else round((place + 1) * self._duration_s / self.slots, 1)

    def _learn(self, seconds: float) -> None:
        old = self._duration_s
        self._duration_s = seconds if old is None else old + SMOOTHING * (seconds - old)
