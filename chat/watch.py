"""While sockets are open: devices that were revoked or removed elsewhere (another process, the database itself) are shut out of them."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from uuid import UUID

from django.db.models import Q

from chat import presence, sockets
from chat.database import in_database
from chat.models import Device

log = logging.getLogger(__name__)

EVERY_S = 2.0
"""A device that another process revoked loses its sockets within so many seconds, and one query; one revoked here loses them at once."""


class Watch:
    """One task for all sockets of an event loop, there only as long as there are sockets. To be told of each one."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self.every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def socket_opened(self) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._look_for_ever(), name="watch for revoked devices")

    def socket_closed(self) -> None:
        if self._task is not None and not sockets.count():
            self._task.cancel()
            self._task = None

    async def _look_for_ever(self) -> None:
        noted = monotonic()
        while True:
            await asyncio.sleep(self.every_s)
            devices = sockets.devices()
            if monotonic() - noted >= presence.EVERY.total_seconds():
                noted = monotonic()
                presence.saw_again(devices)
            try:
                sockets.close_here(await in_database(_look, devices))
            except Exception:
                log.exception("could not look for revoked devices; trying again")


def gone(devices: set[UUID]) -> set[UUID]:
    """Which of the devices may be here no more. Those without a token are nobody's phone: this computer's browser, and everybody with --open."""
    welcome = Device.objects.filter(Q(revoked_at=None) | Q(token_hash=None), id__in=devices).values_list("id", flat=True)
    return devices - set(welcome)


def _look(devices: set[UUID]) -> set[UUID]:
    presence.write()
    return gone(devices)


watch = Watch()
