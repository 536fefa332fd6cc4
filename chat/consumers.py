"""A socket: frames in, frames out. It owns no run: it only watches them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer

from chat import limits, protocol, sockets
from chat.costs import costs_of
from chat.database import in_database
from chat.identity import Client, caller_of, identify, place_of
from chat.legacy import LegacyWriter
from chat.limits import HARD_FRAME_BYTES, MAX_FRAME_CHARS, TOO_FAST, Exceeded, Limiter
from chat.mailbox import Mailbox
from chat.protocol import MAX_KEY_CHARS, BadFrame, Error, Frame, Notice, Ping, Pong, Resume, SendMessage, Stop
from chat.runs import Rejected, Runs, is_system
from chat.sentences import sentence
from chat.services import SystemSet
from chat.watch import watch

log = logging.getLogger(__name__)

MAX_WAITING = 64
"""Frames of one socket that wait to be carried out; more are refused, and the client keeps their text."""
NOT_PAIRED = 4401
TOO_LARGE = 1009
GOODBYE_S = 2.0
"""A device that reads nothing gets no reason."""


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`ws/chat/`. `?v=1` speaks the whole protocol; without it, the tutorial's.

    Channels awaits one handler at a time per socket, so nothing here waits for a run or the database but the two tasks: `_carry_out`
    (what was asked, in order) and `Mailbox.deliver` (what is sent).
    """

    def __init__(self, *args: Any, runs: Runs, open_to_all: bool = False, limiter: Limiter | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.runs = runs
        self.open_to_all = open_to_all
        self.limiter = limiter or limits.shared()
        self.key = ""
        """Under which the limits know the device; empty until it has a place among the open sockets."""
        self.client: Client | None = None
        self.language = "en"
        self.legacy: LegacyWriter | None = None
        self.conversation: UUID | None = None
        """Of a connection that states no version: all its messages go here."""
        self.inbox: asyncio.Queue[Frame] = asyncio.Queue(MAX_WAITING)
        self.tasks: list[asyncio.Task[None]] = []
        self.socket: sockets.OpenSocket | None = None

    async def connect(self) -> None:
        query = parse_qs(self.scope.get("query_string", b"").decode("latin-1"))
        self.legacy = None if "v" in query else LegacyWriter()
        self.language = _language(query, self.scope)
        self.mailbox = Mailbox(self._send_frame)
        caller = caller_of(self.scope)
        try:
            self.limiter.take(place_of(caller), connections=1)
            client = await in_database(identify, caller, open_to_all=self.open_to_all)
            await self._let_in(client)
        except Exceeded as refused:
            await self.accept()
            await self._send_frame(self._too_much(refused))
            await self.close(TOO_FAST)

    async def _let_in(self, client: Client | None) -> None:
        if client is None:
            await self.accept()
            await self._send_frame(self._error("not_paired"))
            await self.close(NOT_PAIRED)
            return
        key = limits.key_of(client.fair)
        self.limiter.open_socket(key)
        self.key, self.client = key, client
        await self.accept()
        self.tasks = [asyncio.create_task(self._carry_out()), asyncio.create_task(self._deliver())]
        device = self.client.device
        self.socket = sockets.OpenSocket(device.owner_id, device.id, self.mailbox.post, self._shut, asyncio.get_running_loop())
        sockets.add(self.socket)
        watch.socket_opened()

    async def disconnect(self, code: int) -> None:
        if self.key:
            self.limiter.close_socket(self.key)
        if self.socket is not None:
            sockets.remove(self.socket)
            watch.socket_closed()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if hasattr(self, "mailbox"):
            self.mailbox.close()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.client is None:
            return
        size = len(text_data or bytes_data or "")
        if size > HARD_FRAME_BYTES:  # a server that has such a limit itself closes so, too
            await self.close(TOO_LARGE)
        elif size > MAX_FRAME_CHARS:
            self._answer(self._error("too_large", key=_key_in(text_data), limit=f"{MAX_FRAME_CHARS >> 20} MB"))
        else:
            self._parse(text_data)

    def _parse(self, text: str | None) -> None:
        try:
            if text is None:
                raise BadFrame("Expected a text message with a JSON object, got a binary one.")
            frame = protocol.parse(text)
        except BadFrame as error:
            detail = str(error)
            message = sentence("bad_frame", self.language, detail, detail=detail)
            self._answer(Error(code="bad_frame", message=message, key=error.key))
            return
        try:
            self.limiter.take(self.key, **costs_of(frame))
        except Exceeded as refused:
            self._slow_down(refused, getattr(frame, "key", None))
        else:
            self._take(frame)

    def _answer(self, error: Error) -> None:
        """To a frame that is none, which costs as much as one."""
        try:
            self.limiter.take(self.key, frames=1)
            self.mailbox.post(error)
        except Exceeded as refused:
            self._slow_down(refused, error.key)

    def _slow_down(self, refused: Exceeded, key: str | None) -> None:
        """Say when the frame would be taken. Who goes on all the same is let go: there is nothing to lose, runs need no socket."""
        error = self._too_much(refused, key)
        try:
            self.limiter.take(self.key, warnings=1)
            self.mailbox.post(error)
        except Exceeded:
            self._let_go(error, TOO_FAST)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Ping):
            self.mailbox.post(Pong())
        elif isinstance(frame, Stop) and self.runs.stop_now(frame.run, self.client):
            pass  # at once, ahead of everything that waits
        else:
            try:
                self.inbox.put_nowait(frame)
            except asyncio.QueueFull:
                self.mailbox.post(self._error("too_fast", key=getattr(frame, "key", None), retryable=True, limit=MAX_WAITING))

    async def _carry_out(self) -> None:
        """Carry out what was asked, in its order."""
        while True:
            frame = await self.inbox.get()
            await self.mailbox.room()
            try:
                await self._do(frame)
            except Rejected as rejected:
                self.mailbox.post(rejected.error)
            except Exceeded as refused:
                self._slow_down(refused, getattr(frame, "key", None))
            except Exception:
                log.exception("a frame could not be carried out")
                self.mailbox.post(self._error("internal", key=getattr(frame, "key", None), retryable=True))

    async def _do(self, frame: Frame) -> None:
        client = self.client
        if client is None:
            return
        if isinstance(frame, Stop):
            await self.runs.watch(frame.run, client, self.language)  # refuses what is not theirs; a finished run stays as it is
            self.runs.stop_now(frame.run, client)  # one of another process is known here only now
        elif isinstance(frame, Resume):
            self.mailbox.watch(await self.runs.watch(frame.run, client, self.language), frame.after)
        else:
            with self.limiter.answer(self.key, self.runs.live) as begun:
                submitted = await self.runs.submit(frame, client, self.language, self.conversation)
                if not isinstance(submitted, SystemSet):
                    begun(submitted.log.run)
            if self.legacy is not None:
                self.conversation = submitted.conversation
            if isinstance(submitted, SystemSet):
                self._note_system(frame, submitted)
            else:
                self.mailbox.watch(submitted)
            sockets.changed(client.owner, submitted.conversation, but=self.socket)

    def _note_system(self, frame: Frame, done: SystemSet) -> None:
        cleared = isinstance(frame, SendMessage) and is_system(frame.message) == ""
        code = "system_cleared" if cleared else "system_set"
        key = getattr(frame, "key", None)
        self.mailbox.post(Notice(code=code, message=sentence(code, self.language), conversation=done.conversation, key=key, stored=done.message))

    def _shut(self) -> None:
        """The device was revoked."""
        self._let_go(self._error("not_paired"), NOT_PAIRED)

    def _let_go(self, why: Error, code: int) -> None:
        """Nothing more is taken from the device, nothing more is sent to it but why."""
        if self.client is not None:
            self.client = None
            self.tasks.append(asyncio.create_task(self._say_goodbye(why, code), name="goodbye"))

    async def _say_goodbye(self, why: Error, code: int) -> None:
        for task in self.tasks[:2]:
            task.cancel()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._send_frame(why), GOODBYE_S)
        await self.close(code)

    async def _deliver(self) -> None:
        """A socket that is gone ends its own delivery and nothing else; the runs go on."""
        try:
            await self.mailbox.deliver()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.info("a socket went away while it was written to: %r", error)
            with contextlib.suppress(Exception):
                await self.close()

    async def _send_frame(self, frame: Frame) -> None:
        if self.legacy is None:
            # What `send` comes to, without the calls in between: this is done for each token.
            await self.base_send({"type": "websocket.send", "text": frame.wire()})
            return
        for text in self.legacy.translate(frame):
            await self.send(text_data=text)

    def _error(self, code: str, *, key: str | None = None, retryable: bool = False, **params: Any) -> Error:
        return Error(code=code, message=sentence(code, self.language, **params), retryable=retryable, key=key)

    def _too_much(self, refused: Exceeded, key: str | None = None) -> Error:
        """The client keeps what it wanted to say, and may say it again."""
        wait_s = refused.retry_after_s
        told = self._error(refused.code, key=key, retryable=True, limit=refused.limit, seconds=wait_s)
        return told.model_copy(update={"retry_after_s": wait_s})


def _key_in(text: str | None) -> str | None:
    """The key of a frame that is too large to be one, so that its client knows which it was."""
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    key = value.get("key") if isinstance(value, dict) else None
    return key if isinstance(key, str) and 0 < len(key) <= MAX_KEY_CHARS else None


def _language(query: dict[str, list[str]], scope: Any) -> str:
    if "lang" in query:
        return query["lang"][0]
    headers = dict(scope.get("headers", ()))
    return headers.get(b"accept-language", b"en").decode("latin-1").split(",")[0].strip() or "en"
