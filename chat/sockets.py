"""The open sockets of this process: whom to tell that something changed, and whom to shut out.

Writes happen in threads, sockets live on event loops; every function here may be called from anywhere. Where the server has several processes,
`relay` tells the others.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chat.protocol import Changed, Frame


@dataclass(frozen=True, eq=False)
class OpenSocket:
    """One socket of a device. `post` and `shut` are called on its own event loop."""

    owner: UUID
    device: UUID
    post: Callable[[Frame], None]
    shut: Callable[[], None]
    """End it, because its device is no longer welcome."""
    loop: asyncio.AbstractEventLoop


class Relay(Protocol):
    """Towards the sockets of the server's other processes."""

    def changed(self, owner: UUID, conversation: UUID) -> None: ...
    def revoked(self, devices: Iterable[UUID]) -> None: ...


relay: Relay | None = None
"""None: this process is the whole server."""

_lock = threading.Lock()
_open: set[OpenSocket] = set()


def add(socket: OpenSocket) -> None:
    with _lock:
        _open.add(socket)


def remove(socket: OpenSocket) -> None:
    with _lock:
        _open.discard(socket)


def count() -> int:
    return len(_open)


def devices() -> set[UUID]:
    """The devices that have a socket open."""
    return {socket.device for socket in _now()}


def of_device(device: UUID) -> int:
    """How many sockets a device has open."""
    return sum(socket.device == device for socket in _now())


def changed(owner: UUID, conversation: UUID, *, but: OpenSocket | None = None) -> None:
    """Tell the sockets of a person that a conversation is not what it was; not the one that changed it."""
    changed_elsewhere(owner, conversation, but=but)
    if relay is not None:
        relay.changed(owner, conversation)


def changed_elsewhere(owner: UUID, conversation: UUID, *, but: OpenSocket | None = None) -> None:
    """The same where the other processes know it."""
    frame = Changed(conversation=conversation)
    for socket in _now():
        if socket.owner == owner and socket is not but:
            _call(socket, socket.post, frame)


def close_device(device: UUID) -> None:
    """Shut a revoked device out of the sockets that it has open."""
    close_devices([device])


def close_devices(revoked: Iterable[UUID]) -> None:
    gone = set(revoked)
    close_here(gone)
    if relay is not None and gone:
        relay.revoked(gone)


def close_here(revoked: Iterable[UUID]) -> None:
    """The same where the other processes know it, or find out themselves."""
    gone = set(revoked)
    for socket in _now():
        if socket.device in gone:
            _call(socket, socket.shut)


def _now() -> list[OpenSocket]:
    with _lock:
        return list(_open)


def _call(socket: OpenSocket, function: Callable[..., None], *args: Frame) -> None:
    try:
        socket.loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # its loop is closed: the process ends, or a test has ended
        remove(socket)
