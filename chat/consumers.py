"""A socket: frames in, frames out. It owns no run: it only watches them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer

from chat import protocol, sockets
from chat.database import in_database
from chat.identity import Client, caller_of, identify
from chat.legacy import LegacyWriter
from chat.mailbox import Mailbox
from chat.protocol import BadFrame, Error, Frame, Notice, Ping, Pong, Resume, SendMessage, Stop
from chat.runs import Rejected, RunManager, is_system
from chat.sentences import sentence
from chat.services import SystemSet

log = logging.getLogger(__name__)

MAX_WAITING = 64
"""Frames of one socket that wait to be carried out; more are refused, and the client keeps their text."""
NOT_PAIRED = 4401
GOODBYE_S = 2.0
"""A device that reads nothing gets no reason."""


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`ws/chat/`. `?v=1` speaks the whole protocol; without it, the tutorial's.

    Channels awaits one handler at a time per socket, so nothing here waits for a run or the database but the two tasks: `_carry_out`
    (what was asked, in order) and `Mailbox.deliver` (what is sent).
    """

    def __init__(self, *args: Any, runs: RunManager, open_to_all: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.runs = runs
        self.open_to_all = open_to_all
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
        self.client = await in_database(identify, caller_of(self.scope), open_to_all=self.open_to_all)
        await self.accept()
        if self.client is None:
            await self._send_frame(self._error("not_paired"))
            await self.close(NOT_PAIRED)
            return
        self.tasks = [asyncio.create_task(self._carry_out()), asyncio.create_task(self._deliver())]
        device = self.client.device
        self.socket = sockets.OpenSocket(device.owner_id, device.id, self.mailbox.post, self._shut, asyncio.get_running_loop())
        sockets.add(self.socket)

    async def disconnect(self, code: int) -> None:
        if self.socket is not None:
            sockets.remove(self.socket)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if hasattr(self, "mailbox"):
            self.mailbox.close()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.client is None:
            return
        try:
            if text_data is None:
                raise BadFrame("Expected a text message with a JSON object, got a binary one.")
            frame = protocol.parse(text_data)
        except BadFrame as error:
            detail = str(error)
            message = sentence("bad_frame", self.language, detail, detail=detail)
            self.mailbox.post(Error(code="bad_frame", message=message, key=error.key))
            return
        await self._take(frame)

    async def _take(self, frame: Frame) -> None:
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
            except Exception:
                log.exception("a frame could not be carried out")
                self.mailbox.post(self._error("internal", key=getattr(frame, "key", None), retryable=True))

    async def _do(self, frame: Frame) -> None:
        client = self.client
        if client is None:
            return
        if isinstance(frame, Stop):
            await self.runs.watch(frame.run, client, self.language)  # refuses what is not theirs; a finished run stays as it is
        elif isinstance(frame, Resume):
            self.mailbox.watch(await self.runs.watch(frame.run, client, self.language), frame.after)
        else:
            submitted = await self.runs.submit(frame, client, self.language, self.conversation)
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
        """The device was revoked: nothing more is taken from it, nothing more is sent to it but why."""
        if self.client is not None:
            self.client = None
            self.tasks.append(asyncio.create_task(self._say_goodbye(), name="goodbye"))

    async def _say_goodbye(self) -> None:
        for task in self.tasks[:2]:
            task.cancel()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._send_frame(self._error("not_paired")), GOODBYE_S)
        await self.close(NOT_PAIRED)

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
            await self.send(text_data=frame.wire())
            return
        for text in self.legacy.translate(frame):
            await self.send(text_data=text)

    def _error(self, code: str, *, key: str | None = None, retryable: bool = False, **params: Any) -> Error:
        return Error(code=code, message=sentence(code, self.language, **params), retryable=retryable, key=key)


def _language(query: dict[str, list[str]], scope: Any) -> str:
    if "lang" in query:
        return query["lang"][0]
    headers = dict(scope.get("headers", ()))
    return headers.get(b"accept-language", b"en").decode("latin-1").split(",")[0].strip() or "en"
