from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat import sockets
from chat.protocol import Changed
from chat.sockets import OpenSocket


class Listener:
    """A socket that writes down what it is told."""

    def __init__(self, owner: UUID, loop: asyncio.AbstractEventLoop) -> None:
        self.frames: list[Any] = []
        self.closed = 0
        self.socket = OpenSocket(owner, uuid4(), self.frames.append, self.shut, loop)
        sockets.add(self.socket)

    def shut(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_open", set())


async def test_the_sockets_of_a_person_are_told_from_any_thread() -> None:
    mine, other = uuid4(), uuid4()
    loop = asyncio.get_running_loop()
    one, two, stranger = Listener(mine, loop), Listener(mine, loop), Listener(other, loop)
    conversation = uuid4()
    await asyncio.to_thread(sockets.changed, mine, conversation, but=one.socket)
    await asyncio.sleep(0)
    assert (one.frames, two.frames, stranger.frames) == ([], [Changed(conversation=conversation)], [])


async def test_a_device_is_shut_out_of_all_its_sockets() -> None:
    one, two = Listener(uuid4(), asyncio.get_running_loop()), Listener(uuid4(), asyncio.get_running_loop())
    await asyncio.to_thread(sockets.close_device, one.socket.device)
    await asyncio.sleep(0)
    assert (one.closed, two.closed) == (1, 0)
    assert sockets.devices() == {one.socket.device, two.socket.device}
    sockets.remove(one.socket)
    assert (sockets.count(), sockets.of_device(one.socket.device)) == (1, 0)


def test_a_socket_of_a_loop_that_has_ended_is_forgotten() -> None:
    loop = asyncio.new_event_loop()
    listener = Listener(uuid4(), loop)
    loop.close()
    sockets.changed(listener.socket.owner, uuid4())
    assert sockets.count() == 0
