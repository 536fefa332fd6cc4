"""A stand-in for a remote model server, for what a real one will not do on demand: refuse, stall, break off, send nonsense.

It is no model and no HTTP library: it replays what a test tells it to, byte by byte, and writes down what it was sent. The engine is
tested against a real server in test_openai_engine_real.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

DROP = object()
"""Break the connection here, in the middle of the response."""
FOREVER = object()
"""From here on send a token every 5 ms until the client goes away."""


def delta(content: str | None = None, *, finish: str | None = None, **more: Any) -> bytes:
    """One chunk of an answer as an event."""
    body = {} if content is None else {"content": content}
    return event({"choices": [{"index": 0, "delta": body | more, "finish_reason": finish}]})


def event(chunk: Any) -> bytes:
    return b"data: " + (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()) + b"\n\n"


def usage(prompt: int, completion: int) -> bytes:
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


DONE = event(b"[DONE]")
ANSWER: tuple[bytes, ...] = (delta("", role="assistant"), delta("Good "), delta("morning"), delta(finish="stop"), usage(11, 2), DONE)


@dataclass
class Reply:
    """One response: pieces are bytes to send, seconds to wait, an event or a barrier to wait for, DROP or FOREVER."""

    pieces: Sequence[Any] = ANSWER
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "text/event-stream"
    chunked: bool = True


def refusal(status: int, body: Any, **headers: str) -> Reply:
    return Reply([json.dumps(body).encode()], status, {k.replace("_", "-"): v for k, v in headers.items()}, "application/json")


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: Any


class StandIn:
    """Replies in turn to POST /v1/chat/completions (the last one again and again), and always the same to GET /v1/models."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [Reply()]
        self.models = Reply([b'{"object":"list","data":[]}'], kind="application/json")
        self.requests: list[Request] = []
        self.url = ""
        self.sent = 0
        """Tokens sent by FOREVER."""
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()
        """A client went away in the middle of a response."""

    async def __aenter__(self) -> StandIn:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            if first.startswith("GET"):
                await self._send(writer, self.models)
                return
            self.requests.append(Request(first.split()[1], headers, json.loads(body)))
            self.asked.set()
            await self._send(writer, self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        headers = {"Content-Type": reply.kind, "Connection": "close"} | ({"Transfer-Encoding": "chunked"} if reply.chunked else {}) | reply.headers
        writer.write(f"HTTP/1.1 {reply.status} Said\r\n{''.join(f'{k}: {v}' + chr(13) + chr(10) for k, v in headers.items())}\r\n".encode())
        for piece in reply.pieces:
            if piece is DROP:
                writer.transport.abort()
                return
            if isinstance(piece, int | float):
                await asyncio.sleep(piece)
                continue
            if isinstance(piece, asyncio.Event | asyncio.Barrier):
                await piece.wait()
                continue
            while piece is FOREVER:
                await self._write(writer, delta("x"), reply.chunked)
                self.sent += 1
                await asyncio.sleep(0.005)
            await self._write(writer, piece, reply.chunked)
        if reply.chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _write(self, writer: asyncio.StreamWriter, data: bytes, chunked: bool) -> None:
        if writer.is_closing():
            raise ConnectionResetError
        writer.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
        await writer.drain()
