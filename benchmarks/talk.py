"""How a server is asked, and what its client sees: our WebSocket, an OpenAI-compatible server, the tutorial's WebSocket.

The clients run on the computer that is measured, so each does as little as it can.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

Turns = list[dict[str, str]]
"""A conversation as {"role", "content"}; the last one is the question."""


@dataclass
class Heard:
    """What one client saw of one answer. Times by the monotonic clock."""

    asked: float = 0.0
    arrivals: list[float] = field(default_factory=list)
    """When each frame with text came."""
    ended: float = 0.0
    tokens: int = 0
    text: str = ""
    message: str = ""
    """Its name, where the server gives it one."""

    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the fourth frame with text."""

    @property
    def first_s(self) -> float:
        """Seconds to the first text; to the end where there was none."""
        return (self.arrivals[0] if self.arrivals else self.ended) - self.asked

    @property
    def gaps(self) -> list[float]:
        """Seconds between one frame with text and the next, as a reader sees them."""
        return [later - earlier for earlier, later in zip(self.arrivals, self.arrivals[1:], strict=False)]

    @property
    def per_token_s(self) -> float | None:
        """Seconds a token, from the first text to the last: without the reading of the prompt. None where all came at once."""
        if self.tokens < 2 or len(self.arrivals) < 2:
            return None
        return (self.arrivals[-1] - self.arrivals[0]) / (self.tokens - 1)

    def hear(self, text: str) -> None:
        """White space before the first text does not count: `transformers serve` sends that of the template before the model has said anything."""
        if text.strip() or (text and self.text.strip()):
            self.arrivals.append(monotonic())
            self.text += text
            if len(self.arrivals) == 4:
                self.streaming.set()


async def ask_llmsite(socket: ClientConnection, frame: dict[str, Any], heard: Heard | None = None) -> Heard:
    """`frame`: what is sent; a message, `continue` or `regenerate`. Raises RuntimeError for an answer that failed."""
    heard = heard or Heard()
    heard.asked = monotonic()
    await socket.send(json.dumps(frame))
    run = ""
    async for text in socket:
        said = json.loads(text)
        match said["type"]:
            case "start" if not run:
                run, heard.message = said["run"], said["message"]
            case "stream" if said["run"] == run:
                heard.hear(said["content"])
            case "end" if said["run"] == run:
                heard.ended, heard.tokens = monotonic(), said["usage"]["completion_tokens"]
                return heard
            case "error":
                raise RuntimeError(f"the server answered {said}")
    raise RuntimeError("the connection ended before the answer")


async def ask_tutorial(socket: ClientConnection, message: str, max_tokens: int, heard: Heard | None = None) -> Heard:
    heard = heard or Heard()
    heard.asked = monotonic()
    await socket.send(json.dumps({"message": message, "max_tokens": max_tokens}))
    async for text in socket:
        said = json.loads(text)
        if said["type"] == "stream":
            heard.hear(said["content"])
        elif said["type"] == "end":
            heard.ended, heard.tokens = monotonic(), said["tokens"]
            return heard
    raise RuntimeError("the connection ended before the answer")


async def ask_openai(port: int, model: str, turns: Turns, max_tokens: int, heard: Heard | None = None) -> Heard:
    """POST /v1/chat/completions, streamed. Raises RuntimeError for a refusal, and for an answer that is not `max_tokens` long."""
    heard = heard or Heard()
    body = {"model": model, "messages": turns, "max_tokens": max_tokens, "temperature": 0, "stream": True}
    heard.asked = monotonic()
    reason = None
    async for chunk in _post(port, "/v1/chat/completions", json.dumps(body).encode()):
        for choice in chunk.get("choices", ()):
            said = choice.get("delta", {})
            heard.hear((said.get("reasoning_content") or "") + (said.get("content") or ""))
            reason = choice.get("finish_reason") or reason
    if reason != "length":
        raise RuntimeError(f"expected an answer of {max_tokens} tokens, got one that ended by {reason!r} after {len(heard.arrivals)} pieces")
    heard.ended, heard.tokens = monotonic(), max_tokens
    return heard


async def _post(port: int, path: str, body: bytes) -> AsyncIterator[dict[str, Any]]:
    """The events of an answer. HTTP/1.0, so that the events come as they are, without chunks around them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        head = f"POST {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"the server answered {status.decode().strip()} {(await reader.read()).decode('utf-8', 'replace')[-500:]}")
        async for line in reader:
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if "error" in event:
                    raise RuntimeError(f"the server answered {event}")
                yield event
    finally:
        writer.close()


async def open_socket(port: int, path: str) -> ClientConnection:
    return await connect(
        f"ws://127.0.0.1:{port}{path}", proxy=None, compression=None, ping_interval=None, open_timeout=120, close_timeout=2, max_size=None
    )
