"""What every process tells all others: conversations that changed, devices that were revoked. From any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from uuid import UUID

from chat import sockets
from chat.cluster.messages import Json


class Relay:
    """What chat/sockets.py tells, towards the others. To be made on the event loop that `post` belongs to."""

    def __init__(self, process: str, post: Callable[[Json], None]) -> None:
        self._process = process
        self._post = post
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        self._loop = asyncio.get_running_loop()

    def changed(self, owner: UUID, conversation: UUID) -> None:
        self._tell({"changed": [owner.hex, conversation.hex]})

    def revoked(self, devices: Iterable[UUID]) -> None:
        self._tell({"revoked": [device.hex for device in devices]})

    def _tell(self, news: Json) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._post, {"from": self._process, **news})


def hear(news: Json) -> None:
    """Tell the sockets of this process what another one has told."""
    if "changed" in news:
        owner, conversation = news["changed"]
        sockets.changed_elsewhere(UUID(owner), UUID(conversation))
    if "revoked" in news:
        sockets.close_here(UUID(device) for device in news["revoked"])
