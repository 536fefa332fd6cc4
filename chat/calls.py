"""Calls of /v1/: answers that belong to the connection that asked for them.

A call waits in the same fair queue as the chat's runs, is decoded by the same engines and leaves the same audit (models.Run); but nobody resumes it:
who hangs up ends it. Two tasks each, as with runs: one decodes and may be cancelled, one owns the call and records how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid4

from chat import call_records, metrics
from chat.database import in_database
from chat.identity import Client
from chat.models import Run
from chat.runlog import Piece
from chat.runs import SAVE_TRIES, RunManager, start_audit
from inference.engine import Engine
from inference.errors import ConversationOverflow, EngineError, UnsupportedParameter
from inference.types import ChatMessage, Delta, EngineFinish, Finish, GenerationRequest, Prompt, Sampling, Usage

log = logging.getLogger(__name__)
T = TypeVar("T")

END_S = 1.5
"""How long the end of the server waits for what is still to be recorded."""
THINKING = "chat_template_kwargs.enable_thinking"


class Stopping(Exception):
    """The server is being stopped."""


class NotRecorded(Exception):
    """The database refuses to write."""


class Interrupted(Exception):
    """The answer was cut off by the end of the server."""


class Ended(Exception):
    """The answer was cut off by its caller, or because the caller's key was revoked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for: a conversation to answer, or a text to go on with."""

    model: str
    messages: tuple[ChatMessage, ...] = ()
    text: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    store: bool = False
    label: str = ""
    """Whom the caller asks for, in its own words: kept with the figures."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a call ended."""

    reason: EngineFinish
    usage: Usage
    thinking_tokens: int


class Answering(Protocol):
    """A call as the views see it: of this process (Call), or of another (chat/cluster/remote_calls.py)."""

    @property
    def id(self) -> UUID: ...
    @property
    def model(self) -> str: ...
    def events(self) -> AsyncIterator[Delta | Done]: ...
    def hang_up(self) -> None: ...


class Calling(Protocol):
    """Where calls are begun: Calls, or what passes them on."""

    @property
    def live(self) -> Mapping[UUID, Answering]: ...
    def begin(self, asked: Asked, client: Client) -> Answering: ...


class Call:
    """One call while it lives. `events` may be read once."""

    def __init__(self, asked: Asked, client: Client, model: str) -> None:
        self.id = uuid4()
        """Of the call; its run has an id of its own, which is the database's business."""
        self.asked = asked
        self.client = client
        self.model = model
        self.submitted = monotonic()
        self.run: Run | None = None
        self.pieces: list[Piece] = []
        self.tokens = self.thinking_tokens = 0
        self.audit: dict[str, Any] = {"model": model}
        self.decoding: asyncio.Task[Finish] | None = None
        self.stop_reason = ""
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Delta | Done | Exception] = asyncio.Queue()
        self._thought_from: float | None = None
        self._thought_until: float | None = None

    async def events(self) -> AsyncIterator[Delta | Done]:
        """The answer as it is decoded, then how it ended. Raises the EngineError that it failed with; other exceptions are nobody's business but the
        log's. Whoever stops reading calls `hang_up`."""
        async for event in until_done(self._events):
            yield event

    def hang_up(self, reason: str = "stopped") -> None:
        """End it now, from any thread. Idempotent; too late once it is over."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._stop, reason)

    @property
    def has_begun(self) -> bool:
        """Whether it has had its turn."""
        return "queue_s" in self.audit

    def tell(self, event: Delta | Done | Exception) -> None:
        self._events.put_nowait(event)

    def add(self, delta: Delta) -> None:
        self.tokens += delta.tokens
        if delta.channel == "thinking":
            self.thinking_tokens += delta.tokens
            self._thought_from = self._thought_from or monotonic()
        elif self._thought_from is not None and self._thought_until is None:
            self._thought_until = monotonic()
        if delta.text:
            if self.asked.store:
                self.pieces.append(Piece(delta.channel, delta.text))
            self.tell(delta)

    def thinking_s(self) -> float | None:
        return None if self._thought_from is None else round((self._thought_until or monotonic()) - self._thought_from, 2)

    def _stop(self, reason: str) -> None:
        if not self.stop_reason:
            self.stop_reason = reason
            if self.decoding is not None:
                self.decoding.cancel()


class Calls:
    """All calls of one server process."""

    everywhere: weakref.WeakSet[Calls] = weakref.WeakSet()
    """For those who revoke a key."""

    def __init__(self, runs: RunManager) -> None:
        self.runs = runs
        self.live: dict[UUID, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        Calls.everywhere.add(self)

    def begin(self, asked: Asked, client: Client) -> Call:
        """Raises NoModel, Stopping."""
        if self._stopping:
            raise Stopping
        call = Call(asked, client, self.runs.models.name_of(asked.model))
        self.live[call.id] = call
        task = alone(self._live(call), name=f"call {call.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    async def shutdown(self) -> None:
        """End all calls as interrupted and record them."""
        self._stopping = True
        for call in list(self.live.values()):
            call.hang_up("interrupted")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_S)

    async def _live(self, call: Call) -> None:
        """The task that owns a call: nobody cancels it, and it tells its reader exactly one end."""
        end: Done | Exception = NotRecorded()
        try:
            call.run = await in_database(self._record(call))
            call.decoding = asyncio.create_task(self._decode(call), name=f"decode {call.id}")
            if call.stop_reason:
                call.decoding.cancel()
            await asyncio.wait([call.decoding])
            reason, end = _outcome(call)
            await self._save_end(call, reason)
            metrics.run_ended(call.model, reason, call.audit)
        except Exception:
            log.exception("call %s could not be recorded", call.id)
        finally:
            del self.live[call.id]
            call.tell(end)

    def _record(self, call: Call) -> Callable[[], Run]:
        asked, device = call.asked, call.client.device
        options = asked.sampling.said() if asked.store else {name: value for name, value in asked.sampling.said().items() if name != "stop"}
        options |= {"user": asked.label} if asked.label else {}
        common: dict[str, Any] = {"device": device, "model": call.model, "options": options}
        return partial(call_records.begin_stored, messages=asked.messages, **common) if asked.store else partial(call_records.begin, **common)

    async def _decode(self, call: Call) -> Finish:
        queue = self.runs.queues[call.model]
        async with queue.slot(call.client.fair, _nobody_watches) as held, self.runs.models.use(call.model, call.submitted) as engine:
            held.begin()
            queue.resize(engine.info.max_streams)
            prompt = await _prepare(call, engine)
            call.audit |= {**start_audit(prompt), "prompt_tokens": prompt.context.used, "queue_s": round(monotonic() - call.submitted, 4)}
            async with aclosing(engine.stream(prompt)) as events:
                async for event in events:
                    if isinstance(event, Finish):
                        return event
                    if "first_token_s" not in call.audit:
                        call.audit["first_token_s"] = round(monotonic() - call.submitted - call.audit["queue_s"], 4)
                    call.add(event)
        raise RuntimeError("the engine's stream ended without a Finish")

    async def _save_end(self, call: Call, reason: str) -> None:
        assert call.run is not None
        call.audit |= {"total_s": round(monotonic() - call.submitted, 4), "completion_tokens": call.tokens}
        save = partial(call_records.finish, run=call.run, pieces=call.pieces, finish_reason=reason, thinking_s=call.thinking_s(), **call.audit)
        for attempt in range(SAVE_TRIES):
            try:
                return await in_database(save)
            except Exception:
                if attempt + 1 == SAVE_TRIES:
                    raise
                log.exception("call %s could not be recorded, attempt %d", call.id, attempt + 1)
                await asyncio.sleep(0.2 * 2**attempt)


def _outcome(call: Call) -> tuple[str, Done | Exception]:
    """How it ended, for the record and for its reader; the figures go to `call.audit`."""
    assert call.decoding is not None
    if call.decoding.cancelled():
        return call.stop_reason or "interrupted", Ended() if call.stop_reason == "stopped" else Interrupted()
    error = call.decoding.exception()
    if error is None:
        finish = call.decoding.result()
        call.tokens = finish.usage.completion_tokens
        prompt_tokens = finish.usage.prompt_tokens or call.audit.get("prompt_tokens")
        call.audit |= {"prompt_tokens": prompt_tokens, "tokens_per_second": finish.timing.tokens_per_second}
        return finish.reason, Done(finish.reason, Usage(prompt_tokens or 0, call.tokens), call.thinking_tokens)
    if isinstance(error, EngineError):
        call.audit |= {"error_code": error.code, "error": str(error)}
    else:
        log.error("call %s failed", call.id, exc_info=error)
        call.audit |= {"error_code": "internal", "error": type(error).__name__}
    return "error", error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


async def _prepare(call: Call, engine: Engine) -> Prompt:
    """Unlike the chat's, a prompt that is too long is refused, not shortened: a program must know what was read."""
    asked, info = call.asked, engine.info
    if asked.sampling.thinking is not None and info.thinking in ("none", "always") and asked.sampling.thinking != (info.thinking == "always"):
        raise UnsupportedParameter(name=THINKING)
    prompt = await engine.prepare(GenerationRequest(str(call.id), asked.messages, asked.sampling, text=asked.text))
    if prompt.context.dropped:
        raise ConversationOverflow(limit=prompt.context.limit)
    return prompt


def _nobody_watches(position: int, eta_s: float | None) -> None:
    """A caller is not told its place in the queue: the protocol has no word for it."""


async def until_done(events: asyncio.Queue[Delta | Done | Exception]) -> AsyncIterator[Delta | Done]:
    """What a call is told, to its end. Raises the exception that it ends with."""
    while True:
        event = await events.get()
        if isinstance(event, Exception):
            raise event
        yield event
        if isinstance(event, Done):
            return


def alone(work: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
    """A task that outlives the request it was begun in.

    Django gives each request a thread of its own for its database connection, and what inherits the request's context may not use the database
    once that is over. In an empty context everything uses the one thread of `in_database`, as the sockets do.
    """
    return asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())


def end_calls(devices: Iterable[UUID]) -> None:
    """Keys were revoked: what they have under way ends. From any thread."""
    gone = set(devices)
    for call in [call for calls in list(Calls.everywhere) for call in list(calls.live.values())]:
        if call.client.device.id in gone:
            call.hang_up()
