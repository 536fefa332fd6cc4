"""The engine process's heart: a thread that holds the lock, so that there is never a second engine process, and says how this one is.

A thread, because neither a busy event loop nor the loading of a model may look like the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from chat.cluster.bus import BEAT_S, LEASE_S, LOG, BusDown, SyncBus
from chat.cluster.recovery import Texts, texts_in

log = logging.getLogger(__name__)


class Fenced(Exception):
    """Another process has taken the place of this one, which seemed to be gone."""


class Heart:
    """`status` gives what the process says of itself; `waiting` is called once when another process has the lock; `fenced`, from the thread, when
    this one may not go on."""

    def __init__(
        self, bus: SyncBus, id: str, *, status: Callable[[], Mapping[str, Any]], waiting: Callable[[], None], fenced: Callable[[], None]
    ) -> None:
        self.id = id
        self.before = ""
        """The engine process before this one; "" where nobody knows."""
        self._bus, self._status, self._waiting, self._fenced = bus, status, waiting, fenced
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Take the lock and keep it; waits, as a stand-in, while another process has it. Raises BusDown, Fenced."""
        until_told = time.monotonic() + LEASE_S + BEAT_S  # one that has just died may still seem to have it
        while (taken := self._bus.take(self.id)) == 0:
            if time.monotonic() > until_told:
                until_told = float("inf")
                self._waiting()
            if self._closing.wait(BEAT_S / 4):
                raise Fenced
        if taken < 0:
            raise Fenced
        self.before = str(self._bus.status().get("engine", ""))
        self._thread = threading.Thread(target=self._beat_for_ever, name="heart", daemon=True)
        self._thread.start()

    def left_behind(self) -> Texts:
        """What Redis knows of the runs of the process that was here before."""
        return texts_in(self._bus.all_of(LOG), self.before)

    def release(self) -> None:
        """Stop, and let another one in. Idempotent."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(2)
            self._thread = None
            try:
                self._bus.release(self.id)
            except BusDown as error:
                log.warning("the lock in Redis goes by itself in some seconds: %s", error)

    def _beat_for_ever(self) -> None:
        while not self._closing.is_set():
            try:
                if self._bus.take(self.id) != 1:
                    log.error("another process has taken the place of this one, which was away for too long: it ends")
                    self._fenced()
                    return
                self._bus.set_status({"engine": self.id, **self._status()})
            except BusDown as error:
                log.warning("Redis does not answer: %s", error)
            except Exception:
                log.exception("the engine process cannot say how it is")
            self._closing.wait(BEAT_S)
