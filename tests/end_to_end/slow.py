"""A client that reads nothing until it is told to: a phone whose network is worse than slow."""

from __future__ import annotations

import asyncio
import socket

from websockets.asyncio.client import connect

from tests.end_to_end.client import Client
from tests.end_to_end.server import LIMIT_S

RECEIVE_BUFFER = 2048


class SlowClient(Client):
    """After `connect` it only sends; `read` begins to read."""

    async def connect(self) -> SlowClient:
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # before connecting: it sets the TCP window
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", self.server.port))
        # max_queue: the library stops reading from the socket when one message waits.
        self._socket = await connect(
            self.url,
            sock=own,
            additional_headers=self.headers,
            max_size=None,
            max_queue=1,
            ping_interval=None,
            compression=None,
            open_timeout=LIMIT_S,
        )
        Client.connected.add(self)
        return self

    def read(self) -> None:
        assert self._socket is not None
        self._reader = asyncio.create_task(self._read(self._socket))

    async def leave(self) -> None:
        if self._socket is not None and self._reader is None:
            self.read()
        await super().leave()
