"""How much one device, or one address that nobody knows, may ask for. Kept in memory; a restart forgets it. Of several web processes each tells the
others what was taken (chat/cluster/counts.py), so that all of them together give no more than one would.

The rates are token buckets: a full one allows a burst as large as the limit, and it fills again evenly over its period. Each check takes
the same time however many there are, and no more than MOST_KEYS callers are remembered: those that were heard of last.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from uuid import UUID

from django.conf import settings

HOST = "host"
"""The computer's own browser, as identity.Client.fair has it."""
HOST_FACTOR = 20
"""Its owner, and the programs that run on it, may do so many times as much."""
ADDRESS_FACTOR = 4
MOST_KEYS = 10_000
MINUTE_S, DAY_S = 60.0, 86_400.0
ANSWERS_RETRY_S = 5.0
"""When an answer will be done is not known; a client asks again after this."""
SOCKETS_RETRY_S = 30.0
MOST_DEBT = 16
"""Times a full bucket: what several processes gave at the same moment, each unaware of the others, is waited for by all of them."""
ELSEWHERE_S = 15.0
"""Open sockets of a process that says nothing of them any more count for so long."""

MAX_FRAME_CHARS = 1 << 20
"""The longest message of a socket that is looked at. A text of MAX_MESSAGE_CHARS fits, in any alphabet."""
HARD_FRAME_BYTES = 4 << 20
"""The longest that is taken in at all, for the sake of an answer in words; a longer one ends the connection (1009)."""
TOO_FAST = 4429
"""The socket's close code for a client that does not slow down."""


@dataclass(frozen=True)
class Limits:
    """`[limits]` of llmsite.toml. Generous for a person, tight for a script."""

    messages_per_minute: int = 30
    """Messages, edits, regenerations and continuations of one device."""
    messages_per_day: int = 3_000
    characters_per_day: int = 20_000_000
    """What one device may store: questions and imports."""
    unfinished_answers: int = 12
    """Waiting or being written at once, for one device."""
    sockets: int = 16
    """Open at once, for one device."""
    connections_per_minute: int = 120
    """Sockets that one address opens."""
    frames_per_minute: int = 600
    requests_per_minute: int = 300
    """HTTP requests of one device to /api/; an address, behind which there may be several, may send ADDRESS_FACTOR times as many."""
    pairings_per_minute: int = 10
    """Codes that one address tries."""
    body_mb: int = 5
    """The largest file that can be imported."""


RANGES = {
    "messages_per_minute": (1, 100_000),
    "messages_per_day": (1, 10_000_000),
    "characters_per_day": (100_000, 10**12),
    "unfinished_answers": (1, 10_000),
    "sockets": (1, 10_000),
    "connections_per_minute": (1, 100_000),
    "frames_per_minute": (10, 1_000_000),
    "requests_per_minute": (10, 1_000_000),
    "pairings_per_minute": (1, 1_000),
    "body_mb": (1, 1_000),
}
assert RANGES.keys() == {field.name for field in fields(Limits)}

# kind of rate: (its limit, its period in seconds, the code of its sentence). `arrivals` are HTTP requests before it is known whose they are.
RATES = {
    "messages": ("messages_per_minute", MINUTE_S, "too_many_messages"),
    "messages_today": ("messages_per_day", DAY_S, "too_much_today"),
    "characters": ("characters_per_day", DAY_S, "too_much_today"),
    "connections": ("connections_per_minute", MINUTE_S, "too_many_requests"),
    "frames": ("frames_per_minute", MINUTE_S, "too_many_requests"),
    # What a client that is told to slow down may still send before its socket is closed.
    "warnings": ("frames_per_minute", MINUTE_S, "too_many_requests"),
    "arrivals": ("requests_per_minute", MINUTE_S, "too_many_requests"),
    "requests": ("requests_per_minute", MINUTE_S, "too_many_requests"),
    "pairings": ("pairings_per_minute", MINUTE_S, "too_many_pairings"),
}


class Exceeded(Exception):
    """More than is allowed. `code` names the sentence; after `retry_after_s` seconds the same is taken."""

    def __init__(self, code: str, retry_after_s: float, limit: int) -> None:
        super().__init__(code)
        self.code, self.limit = code, limit
        self.retry_after_s = max(1, math.ceil(retry_after_s))


class Buckets:
    """One rate: a bucket of tokens for each caller. Thread-safe."""

    def __init__(self, period_s: float, *, clock: Callable[[], float] = time.monotonic, most: int = MOST_KEYS) -> None:
        self.period_s, self.clock, self.most = period_s, clock, most
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """For each caller: tokens, and when that was."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._left)

    def wait_s(self, key: Hashable, capacity: int, cost: float = 1) -> float:
        """Seconds until `cost` tokens are there; 0 when they are. Takes none. What costs more than a full bucket needs a full one."""
        with self._lock:
            missing = min(cost, capacity) - self._now(key, capacity)
        return max(0.0, missing) * self.period_s / capacity

    def take(self, key: Hashable, capacity: int, cost: float = 1, *, debt: float = 0) -> None:
        """Take tokens, whether or not they are there; no more than `debt` are owed then."""
        with self._lock:
            self._left[key] = (max(-debt, self._now(key, capacity) - cost), self.clock())
            self._left.move_to_end(key)
            while len(self._left) > self.most:
                self._left.popitem(last=False)

    def _now(self, key: Hashable, capacity: int) -> float:
        tokens, when = self._left.get(key, (float(capacity), self.clock()))
        return min(float(capacity), tokens + (self.clock() - when) * capacity / self.period_s)


class Limiter:
    """All limits of one process. Keys are what `key_of` and `network_of` give."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.took: Callable[[str, Mapping[str, float]], object] = lambda key, costs: None
        """Called with what was taken here, from the thread that took it."""
        self.opened: Callable[[str, int], object] = lambda key, count: None
        """Called with how many sockets a caller now has open here."""
        self._clock = clock
        self._elsewhere: dict[str, tuple[float, Mapping[str, int]]] = {}
        """Of each other process: when it said so, and what callers have how many sockets open there."""
        self._buckets = {kind: Buckets(period_s, clock=clock) for kind, (_, period_s, _) in RATES.items()}
        self._sockets: Counter[str] = Counter()
        self._answers: OrderedDict[str, set[UUID]] = OrderedDict()
        """The runs that each caller began and that were not over when it was last looked."""
        self._beginning: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, key: str, **costs: float) -> None:
        """`take(key, messages=1, characters=400)`: all of it or nothing. Raises Exceeded."""
        waits = {kind: self._buckets[kind].wait_s(key, self._capacity(kind, key), cost) for kind, cost in costs.items()}
        worst = max(waits, key=lambda kind: waits[kind])
        if waits[worst] > 0:
            raise Exceeded(RATES[worst][2], waits[worst], self._capacity(worst, key))
        for kind, cost in costs.items():
            self._buckets[kind].take(key, self._capacity(kind, key), cost)
        self.took(key, costs)

    def taken_elsewhere(self, key: str, costs: Mapping[str, float]) -> None:
        """Another process has given this, whether or not it was there."""
        for kind, cost in costs.items():
            if kind in self._buckets:
                capacity = self._capacity(kind, key)
                self._buckets[kind].take(key, capacity, min(cost, capacity), debt=MOST_DEBT * capacity)

    def open_socket(self, key: str) -> None:
        """To be closed by `close_socket`. Raises Exceeded."""
        most = self._most("sockets", key)
        with self._lock:
            if self._sockets[key] + self._open_elsewhere(key) >= most:
                raise Exceeded("too_many_sockets", SOCKETS_RETRY_S, most)
            self._sockets[key] += 1
            self.opened(key, self._sockets[key])

    def close_socket(self, key: str) -> None:
        with self._lock:
            self._sockets[key] -= 1
            self.opened(key, self._sockets[key])
            if self._sockets[key] <= 0:
                del self._sockets[key]

    def open_sockets(self) -> dict[str, int]:
        """Of each caller, how many it has open here."""
        with self._lock:
            return dict(self._sockets)

    def open_at(self, process: str, counts: Mapping[str, int], *, all_: bool) -> None:
        """What callers have open at another process: of all of them, or of some."""
        with self._lock:
            before = {} if all_ else self._elsewhere.get(process, (0.0, {}))[1]
            self._elsewhere[process] = (self._clock(), {key: count for key, count in {**before, **counts}.items() if count > 0})
            for gone in [one for one, (said_at, _) in self._elsewhere.items() if self._clock() - said_at > ELSEWHERE_S]:
                del self._elsewhere[gone]

    def _open_elsewhere(self, key: str) -> int:
        now = self._clock()
        return sum(counts.get(key, 0) for said_at, counts in self._elsewhere.values() if now - said_at <= ELSEWHERE_S)

    @contextmanager
    def answer(self, key: str, alive: Container[UUID]) -> Iterator[Callable[[UUID], None]]:
        """Room for one more unfinished answer, while the block lasts; it calls what it gets with the run that goes on behind it. `alive` has the
        runs that are not over. Raises Exceeded."""
        most = self._most("unfinished_answers", key)
        with self._lock:
            runs = self._answers.setdefault(key, set())
            runs.intersection_update([run for run in runs if run in alive])
            if len(runs) + self._beginning[key] >= most:
                raise Exceeded("too_many_answers", ANSWERS_RETRY_S, most)
            self._beginning[key] += 1
        try:
            yield runs.add
        finally:
            with self._lock:
                self._beginning[key] -= 1
                if not self._beginning[key]:
                    del self._beginning[key]
                self._answers.move_to_end(key)
                while len(self._answers) > MOST_KEYS:
                    self._answers.popitem(last=False)

    def _capacity(self, kind: str, key: str) -> int:
        return self._most(RATES[kind][0], key) * (ADDRESS_FACTOR if kind == "arrivals" else 1)

    def _most(self, limit: str, key: str) -> int:
        value: int = getattr(self.limits, limit)
        return value * HOST_FACTOR if key == HOST else value


def network_of(address: str) -> str:
    """Whom an address stands for. A computer with IPv6 has a whole /64 of them, and may take another for every request."""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return address
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def key_of(fair: str) -> str:
    """Of an identity.Client: its device, HOST, or with --open its address."""
    return network_of(fair)


@cache
def shared() -> Limiter:
    """The process's own."""
    return Limiter(settings.CONFIG.limits)
