"""Where phones reach this process: the addresses it listens on, each checked by connecting, kept up to date while it runs.

`serve` knows where it listens and looks by itself (serve/desk.py). Under uvicorn, daphne and runserver nobody tells: `follow` finds out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from llmsite import network
from llmsite.network import Address

logger = logging.getLogger(__name__)

EVERY_S = 2.0
TRIES = 3


@dataclass(frozen=True)
class Place:
    """Where the server listens: IP addresses as getsockname says them, and the port."""

    hosts: tuple[str, ...]
    port: int


class Reach:
    """`good` are the addresses that answer as this process, the best first; `seen` are those that were tried."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.place: Place | None = None
        self.seen: list[Address] = []
        self.good: list[Address] = []
        self.told: list[Callable[[list[Address], int], None]] = []
        """Called with `good` and the port, in the thread that looked, whenever `good` has changed. Must not block."""
        self._looking = threading.Lock()
        self._tries_left = 0
        self._led = False
        self._closing = threading.Event()

    def lead(self, place: Place) -> None:
        """Somebody who knows the place looks from now on."""
        self.place, self._led = place, True

    def follow(self) -> None:
        """Look every EVERY_S in a thread of its own, unless somebody leads."""
        threading.Thread(target=self._follow, name="reach", daemon=True).start()

    def close(self) -> None:
        self._closing.set()

    def look(self, *, again: bool = False) -> None:
        """Find the addresses and check them if they have changed, or in any case if `again`. Blocks for some seconds at worst.

        One that does not answer yet (an interface that is coming up) is tried again, TRIES times.
        """
        with self._looking:
            if self.place is None:
                return
            found = network.listened(network.addresses(), self.place.hosts)
            if found == self.seen and not self._tries_left and not again:
                return
            self._tries_left = TRIES if found != self.seen else max(0, self._tries_left - 1)
            self.seen, before = found, self.good
            self.good = network.checked(found, self.place.port, self.instance)
            if len(self.good) == len(found):
                self._tries_left = 0
            good, port = self.good, self.place.port
        if good != before:
            for tell in self.told:
                tell(good, port)

    def at(self, port: int) -> list[Address]:
        """The addresses that answer now; on `port`, should nobody know yet where this process listens."""
        if self.place is None:
            return network.checked(network.addresses(), port, self.instance)
        self.look(again=True)
        return self.good

    def _follow(self) -> None:
        while not self._closing.wait(EVERY_S) and not self._led:
            try:
                if self.place is None:
                    self.place = self._own_place()
                self.look()
            except Exception:
                logger.exception("The addresses cannot be looked at")
                return

    def _own_place(self) -> Place | None:
        """Of the ports that this process listens on, the one that answers as this process."""
        for port, hosts in network.own_sockets().items():
            if any(network.answers(network.reachable(host), port, self.instance) for host in hosts):
                return Place(hosts, port)
        return None
