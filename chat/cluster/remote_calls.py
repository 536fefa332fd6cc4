"""Calls of /v1/ that a web process passes on to the engine process, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic
from uuid import UUID, uuid4

from chat.calls import Asked, Done, alone, until_done
from chat.cluster import messages
from chat.cluster.messages import EngineAway, Json
from chat.cluster.web_link import WebLink
from chat.identity import Client
from inference.embedding import Embedded
from inference.types import Delta, Usage


class RemoteCall:
    """One call while it lives, as chat.calls.Call is read. `events` may be read once."""

    def __init__(self, link: WebLink, model: str) -> None:
        self.id = uuid4()
        self.model = model
        self.has_begun = False
        self._link = link
        self._number = 0
        self._events: asyncio.Queue[Delta | Done | Exception] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._answered = asyncio.Event()

    def resolved(self, model: str) -> None:
        """It is under way, and this is the name of the model that answers."""
        self.model = model
        self._answered.set()

    async def events(self) -> AsyncIterator[Delta | Done]:
        """The answer as it is decoded, then how it ended. Raises what it failed with. From the first on, `model` is the model's own name."""
        await self._answered.wait()
        async for event in until_done(self._events):
            yield event

    def hang_up(self, reason: str = "stopped") -> None:
        """End it now, from any thread. Idempotent; too late once it is over."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._hang_up)

    def take(self, message: Json) -> None:
        if message["n"] != self._number + 1:
            if message["n"] > self._number:
                self.fail(EngineAway())  # Redis has lost something: an answer with a hole is none
                self._hang_up()
            return
        self._number = message["n"]
        self.has_begun = True
        for channel, text in message["deltas"]:
            self._events.put_nowait(Delta(text, channel))
        if (end := message.get("end")) is not None:
            self._over = True
            self._events.put_nowait(_end_in(end))

    def fail(self, error: Exception) -> None:
        if not self._over:
            self._over = True
            self._events.put_nowait(error)
            self._answered.set()

    @property
    def is_over(self) -> bool:
        return self._over

    def _hang_up(self) -> None:
        self._link.send("hang_up", call=self.id.hex)


class RemoteCalls:
    """`chat.calls.Calls` of a web process."""

    def __init__(self, link: WebLink) -> None:
        self._link = link
        self.live: dict[UUID, RemoteCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        link.told_of_call = self._take
        link.gone = self.engine_is_gone

    def begin(self, asked: Asked, client: Client) -> RemoteCall:
        """Returns at once; what it is refused with comes in the place of its first event."""
        call = RemoteCall(self._link, asked.model)
        self.live[call.id] = call
        task = alone(self._ask(call, asked, client), name=f"call {call.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    async def _ask(self, call: RemoteCall, asked: Asked, client: Client) -> None:
        try:
            said: Json = {"client": messages.client_said(client), "asked": messages.asked_said(asked)}
            call.resolved((await self._link.ask("call", call=call.id.hex, **said))["model"])
        except Exception as error:
            self.live.pop(call.id, None)
            call.fail(error)
            call.hang_up()

    def engine_is_gone(self) -> None:
        for call in list(self.live.values()):
            call.fail(EngineAway())
        self.live.clear()

    def _take(self, message: Json) -> None:
        call = self.live.get(UUID(message["call"]))
        if call is not None:
            call.take(message)
            if call.is_over:
                del self.live[call.id]


class RemoteEmbeddings:
    """`llmsite.embeddings.Embeddings` of a web process."""

    def __init__(self, link: WebLink, names: list[str]) -> None:
        self._link = link
        self._names = names
        self.live: dict[UUID, float] = {}

    def names(self) -> list[str]:
        return self._names

    async def embed(self, name: str, texts: tuple[str, ...], call: UUID, caller: str) -> Embedded:
        """Raises what the engine process raises, Exceeded among it: there all calls of `caller` are counted."""
        self.live[call] = monotonic()
        try:
            found = await self._link.ask("embed", name=name, texts=texts, call=call.hex, caller=caller)
        finally:
            del self.live[call]
        return Embedded(tuple(map(tuple, found["vectors"])), found["tokens"])


def _end_in(end: Json) -> Done | Exception:
    if "error" in end:
        return messages.error_of(end["error"])
    return Done(end["reason"], Usage(*end["usage"]), end["thinking_tokens"])
