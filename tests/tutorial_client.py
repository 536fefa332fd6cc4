"""The tutorial's phone client, re-typed: what its page does with a frame, and nothing more.

On `start` it sets the current line to `content`, on `stream` it appends, on `end` it pushes the line into the list. It sends
`{"message": "…"}` to `ws://HOST:PORT/ws/chat/` without a query. This client, unchanged, must work.
"""

from __future__ import annotations

import asyncio
import json
from types import TracebackType

from websockets.asyncio.client import ClientConnection, connect


class TutorialClient:
    """`async with TutorialClient(host, port) as client: await client.ask("Hello")`."""

    def __init__(self, host: str, port: int) -> None:
        self.url = f"ws://{host}:{port}/ws/chat/"
        self.current = ""
        self.lines: list[str] = []
        self.frames: list[dict[str, str]] = []
        self._socket: ClientConnection | None = None

    async def __aenter__(self) -> TutorialClient:
        self._socket = await connect(self.url, proxy=None)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def ask(self, message: str, timeout_s: float = 30) -> str:
        """Send one message and return the line that it becomes."""
        await self.send(message)
        async with asyncio.timeout(timeout_s):
            return await self.line()

    async def send(self, message: str) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps({"message": message}))

    async def line(self) -> str:
        """Receive until a line is complete."""
        assert self._socket is not None
        count = len(self.lines)
        while len(self.lines) == count:
            self.on_message(json.loads(await self._socket.recv()))
        return self.lines[-1]

    def on_message(self, data: dict[str, str]) -> None:
        self.frames.append(data)
        if data["type"] == "start":
            self.current = data["content"]
        elif data["type"] == "stream":
            self.current += data["content"]
        elif data["type"] == "end":
            self.lines.append(self.current)
