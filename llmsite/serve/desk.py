"""The front desk: tells the person at the terminal how phones get in, while the server serves in another thread.

It announces the checked addresses with a QR code, again when they change, says which phone was paired, and makes a new code when asked.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from chat import clients
from llmsite import network
from llmsite.network import Address
from llmsite.reach import EVERY_S, Place, Reach
from llmsite.serve.screen import Screen, address_rows
from llmsite.serve.words import say

logger = logging.getLogger(__name__)


class Code(Protocol):
    """What chat.pairing makes."""

    @property
    def code(self) -> str: ...

    @property
    def expires_at(self) -> datetime: ...


@dataclass(frozen=True)
class Pairing:
    """The two things that the desk needs of chat.pairing: a new code, and the name of the device that a code made."""

    new: Callable[[], Code]
    paired: Callable[[str], str | None]


class Desk(threading.Thread):
    """Runs until `close`. A daemon, and nobody waits for it: it must never hold up the end."""

    def __init__(
        self, reach: Reach, place: Place, screen: Screen, pairing: Pairing | None, greet: Callable[[], None], opened: Callable[[], None]
    ) -> None:
        """`pairing` is None with --open. `greet` prints what comes before the addresses, `opened` is called after the first announcement."""
        super().__init__(name="desk", daemon=True)
        self.reach, self.place, self.screen, self.pairing, self.greet, self.opened = reach, place, screen, pairing, greet, opened
        reach.lead(place)
        self._wake = threading.Event()
        self.local_name: Callable[[], str] = str
        """Gives the .local name, "" while there is none."""
        self._closing = self._asked = False
        self._code: Code | None = None
        self._good: list[Address] = []
        """As they were announced."""
        self._name = ""

    def close(self) -> None:
        self._closing = True
        self._wake.set()

    def run(self) -> None:
        try:
            self.reach.look()
            self.greet()
            self._announce()
            self.opened()
            if self._can_ask():
                threading.Thread(target=self._listen, name="enter", daemon=True).start()
            while not self._closing:
                self._wake.wait(EVERY_S)
                self._wake.clear()
                self._tick()
        except Exception:
            if not self._closing:  # at the end the database goes away under it
                logger.exception("The addresses cannot be shown")

    def _tick(self) -> None:
        self.reach.look()
        if self.reach.good != self._good:
            self.screen.line(f"\n{say('addresses_changed')}")
            self._announce()
        self._announce_name()
        if self._code and self.pairing and (name := self.pairing.paired(self._code.code)) is not None:
            self.screen.line(say("paired", name=name))
            self._code = None
        if self._asked:
            self._asked = False
            self._code = None
            self._invite()

    def _announce(self) -> None:
        self._good = self.reach.good
        here = Address("::1" if set(self.place.hosts) == {"::1"} else "127.0.0.1", "", "lan")
        rows = address_rows(self._good, self.place.port)
        if network.listened([here], self.place.hosts):
            rows.append((say("here"), here.url(self.place.port)))
            rows += [(say("pairing"), say("pairing_how", url=here.url(self.place.port, "/pair/")))] if self.pairing else []
        if rows:
            self.screen.rows(rows)
        for address in self.reach.seen:
            if address not in self._good:
                self.screen.warn(say("unanswered", interface=address.interface))
        if self._good:
            self.screen.line(f"  {say(_firewall(), port=self.place.port)}")
            self._invite()
        else:
            self.screen.warn(self._nobody())

    def _announce_name(self) -> None:
        """The .local name, once it is known on the network: that takes some seconds, and nothing waits for it."""
        name, self._name = self._name, self.local_name()
        if self._name not in ("", name):
            self.screen.rows([(say("name"), say("name_how", url=f"http://{self._name}:{self.place.port}/"))])

    def _nobody(self) -> str:
        if all(_is_loopback(host) for host in self.place.hosts):
            return say("only_here", host=", ".join(self.place.hosts))
        return say("no_lan")

    def _invite(self) -> None:
        """The way in, as QR code and text. A code that was not used yet stays good when only the address changes."""
        if not self._good:
            return
        url = self._good[0].url(self.place.port, clients.for_phones())
        how = say("scan_open")
        if self.pairing:
            left = self._minutes_left()
            if self._code is None or left < 1:
                self._code = self.pairing.new()
                left = self._minutes_left()
            url = self._good[0].url(self.place.port, f"/pair/?code={self._code.code}")
            how = say("scan_pair", minutes=left)
        self.screen.line()
        self.screen.qr(url)
        self.screen.line(f"  {self.screen.bold(url)}")
        self.screen.line(f"  {how}{' ' + say('enter_for_code') if self._can_ask() else ''}")

    def _minutes_left(self) -> int:
        if self._code is None:
            return 0
        return round((self._code.expires_at - datetime.now(UTC)).total_seconds() / 60)

    def _can_ask(self) -> bool:
        return self.pairing is not None and sys.stdin is not None and sys.stdin.isatty()

    def _listen(self) -> None:
        """Waits for Enter. Reading cannot be interrupted, so it has a thread of its own, which dies with the process."""
        while not self._closing and sys.stdin.readline():
            self._asked = True
            self._wake.set()


def _firewall() -> str:
    return {"win32": "firewall.windows", "darwin": "firewall.darwin"}.get(sys.platform, "firewall.linux")


def _is_loopback(host: str) -> bool:
    return host == "::1" or host.startswith("127.")
