"""A run as sockets watch it: living, or stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, Literal, Protocol
from uuid import UUID

from chat import selectors, services
from chat.identity import Client
from chat.mailbox import Watchable
from chat.protocol import Context, Error, FinishReason, Queued, Start
from chat.runlog import Piece, RunLog
from inference.types import Delta

StopReason = Literal["stopped", "interrupted"]


class Watched(Watchable, Protocol):
    """A run as sockets know it: living here, living in another process, or stored."""

    @property
    def conversation(self) -> UUID: ...


class LiveRun:
    """A run while it lives: its log, and who wants to hear of it."""

    def __init__(self, new: services.NewRun, *, client: Client, key: str | None, language: str, input: selectors.ModelInput | None = None) -> None:
        self.new = new
        self.model = input.model if input is not None else ""
        """Which one is to answer, as it was asked for; its own name from `answers` on."""
        self.input = input
        """What the model will get, where it is known already: not when another answer of the conversation is still being written."""
        self.client = client
        self.key = key
        self.language = language
        self.log = RunLog(new.run)
        self.place: Queued | None = None
        self.stop_reason: StopReason | None = None
        self.flushed = 0
        """How many pieces are in the durable log."""
        self.tokens = 0
        self.audit: dict[str, Any] = {}
        self.unsaved_start: dict[str, Any] = {}
        """The part of the audit that is written while the run lives: the next flush takes it, or the end."""
        self.submitted = monotonic()
        self.decoding: asyncio.Task[FinishReason] | None = None
        self.closing = False
        """Its text is being made final: the durable log takes no more of it."""
        self.over = asyncio.Event()
        self._listeners: set[Callable[[], None]] = set()
        self._thought_from: float | None = None
        self._thought_until: float | None = None

    @property
    def conversation(self) -> UUID:
        return self.new.conversation

    def listen(self, wake: Callable[[], None]) -> None:
        self._listeners.add(wake)

    def unlisten(self, wake: Callable[[], None]) -> None:
        self._listeners.discard(wake)

    def changed(self) -> None:
        for wake in self._listeners:
            wake()

    def set_place(self, position: int, eta_s: float | None) -> None:
        new = self.new
        self.place = Queued(
            run=new.run, conversation=new.conversation, message=new.message, parent=new.parent, key=self.key, position=position, eta_s=eta_s
        )
        self.changed()

    def answers(self, model: str) -> None:
        """It is known which model this is for."""
        self.model = model
        self.audit["model"] = model

    def begin(self, model: str, context: Context | None) -> None:
        new = self.new
        self.place = None
        self.log.start = Start(
            run=new.run,
            conversation=new.conversation,
            message=new.message,
            parent=new.parent,
            key=self.key,
            model=model,
            content=new.base_answer,
            thinking=new.base_thinking,
            context=context,
        )
        self.changed()

    def add(self, delta: Delta) -> None:
        if self.closing:  # `save_now`, from another thread: what is not stored any more is not shown either
            return
        self.tokens += delta.tokens
        if delta.text:
            self._time_thinking(delta.channel)
            self.log.append(delta.channel, delta.text)
            self.changed()

    def _time_thinking(self, channel: str) -> None:
        if channel == "thinking":
            self._thought_from = self._thought_from or monotonic()
        elif self._thought_from is not None and self._thought_until is None:
            self._thought_until = monotonic()

    def thinking_s(self) -> float | None:
        """How long the message has thought, with the runs before this one; None when it has not."""
        if self._thought_from is None:
            return self.new.base_thinking_s
        mine = (self._thought_until or monotonic()) - self._thought_from
        return round((self.new.base_thinking_s or 0.0) + mine, 2)

    def fail(self, code: str, message: str, *, retryable: bool) -> None:
        self.audit |= {"error_code": code, "error": message}
        self.log.error = Error(code=code, message=message, retryable=retryable, run=self.new.run)

    def stop(self, reason: StopReason) -> None:
        """End it now. Idempotent; too late once the text is being made final."""
        if self.stop_reason is None and self.decoding is not None and not self.decoding.done():
            self.stop_reason = reason
            self.decoding.cancel()

    def unflushed(self) -> list[services.Event]:
        """The pieces that the durable log has not got, a row for each stretch of one channel."""
        events: list[services.Event] = []
        seq, stretch = self.flushed, list[Piece]()
        for piece in self.log.pieces[self.flushed :]:
            if stretch and stretch[-1].channel != piece.channel:
                events.append(services.Event(self.new.run, seq, tuple(stretch)))
                stretch = []
            stretch.append(piece)
            seq += 1
        return [*events, services.Event(self.new.run, seq, tuple(stretch))] if stretch else events


class StoredRun:
    """A run that is over, to be watched like a live one."""

    place: Queued | None = None

    def __init__(self, log: RunLog) -> None:
        self.log = log

    @property
    def conversation(self) -> UUID:
        assert self.log.start is not None
        return self.log.start.conversation

    def listen(self, wake: Callable[[], None]) -> None:
        pass

    def unlisten(self, wake: Callable[[], None]) -> None:
        pass
