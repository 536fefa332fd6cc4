"""What the clients do: all at once, each asks one question on a connection of its own and reads the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

QUESTIONS = [
    "Hello, how are you today?",
    "你好，请介绍一下你自己。",
    "How do I load a bigger model?",
    "天空为什么是蓝色的？",
    "Tell me a story about a river and a mountain.",
    "给我讲一个关于春天的故事。",
    "What can you help me with?",
    "怎样才能学好英语？",
]


@dataclass
class Answer:
    """What one client saw. Times by the monotonic clock."""

    asked: float
    first: float = 0.0
    ended: float = 0.0
    tokens: int = 0
    run: str = ""
    received: list[tuple[int, int, float]] = field(default_factory=list)
    """(first piece, last piece, when) of each frame of text; only where the server numbers its frames."""


@dataclass
class Burst:
    """All answers of one round."""

    answers: list[Answer]

    @property
    def first_s(self) -> list[float]:
        return [answer.first - answer.asked for answer in self.answers]

    @property
    def tokens(self) -> int:
        return sum(answer.tokens for answer in self.answers)

    @property
    def seconds(self) -> float:
        return max(answer.ended for answer in self.answers) - min(answer.asked for answer in self.answers)


async def burst(url: str, clients: int, options: dict[str, Any] | None) -> Burst:
    """`options` None: the tutorial's protocol."""
    async with AsyncExitStack() as stack:
        opening = [connect(url, proxy=None, compression=None, ping_interval=None, open_timeout=120) for _ in range(clients)]
        sockets = [await stack.enter_async_context(socket) for socket in opening]
        together = [ask(socket, QUESTIONS[i % len(QUESTIONS)], options) for i, socket in enumerate(sockets)]
        return Burst(list(await asyncio.gather(*together)))


async def ask(socket: ClientConnection, question: str, options: dict[str, Any] | None) -> Answer:
    frame: dict[str, Any] = {"message": question} if options is None else {"message": question, "options": options}
    answer = Answer(monotonic())
    await socket.send(json.dumps(frame))
    async for received, heard in _frames(socket):
        match heard["type"]:
            case "stream":
                answer.first = answer.first or received
                if "seq" in heard:
                    answer.received.append((heard.get("first", heard["seq"]), heard["seq"], received))
            case "end":
                answer.ended = received
                answer.first = answer.first or received  # an answer without text
                answer.tokens = heard["usage"]["completion_tokens"] if "usage" in heard else heard["tokens"]
                answer.run = heard.get("run", "")
                return answer
            case "error":
                raise RuntimeError(f"the server answered {heard}")
    raise RuntimeError("the connection ended before the answer")


async def _frames(socket: ClientConnection) -> AsyncIterator[tuple[float, dict[str, Any]]]:
    async for text in socket:
        received = monotonic()
        yield received, json.loads(text)


def added_ms(answers: list[Answer], stamps: dict[str, list[list[float]]]) -> list[float]:
    """For each token: milliseconds from its stamp to the client that read it. `stamps`: of each run's pieces of text, the times of their tokens."""
    return [
        (received - stamp) * 1000
        for answer in answers
        for first, last, received in answer.received
        for piece in range(first, last + 1)
        for stamp in stamps[answer.run][piece - 1]
    ]
