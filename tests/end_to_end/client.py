"""A small real client that trusts nothing: every frame is checked against the protocol's promises."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.end_to_end.server import LIMIT_S, Server

Json = dict[str, Any]


class Broken(AssertionError):
    """The server broke the protocol."""


class RunView:
    """One run as a client sees it over all its connections."""

    def __init__(self, run: str, *, after: int = -1) -> None:
        self.run = run
        self.seq = after
        self.partial = after >= 0
        """It was joined behind its start."""
        self.places: list[Json] = []
        self.start: Json | None = None
        self.streams: list[Json] = []
        self.error: Json | None = None
        self.end: Json | None = None
        self.rewinds = 0
        """How often the server began it anew, for a client that had seen more than the server kept."""
        self.received: list[float] = []
        """When each stream frame came, by the monotonic clock."""

    @property
    def known(self) -> Json:
        """The frame that names conversation, message and parent."""
        return self.start or self.places[0]

    @property
    def message(self) -> str:
        return str(self.known["message"])

    @property
    def conversation(self) -> str:
        return str(self.known["conversation"])

    @property
    def answer(self) -> str:
        return str((self.start or {}).get("content", "")) + self.text("answer")

    @property
    def thinking(self) -> str:
        return str((self.start or {}).get("thinking", "")) + self.text("thinking")

    def text(self, channel: str) -> str:
        return "".join(frame["content"] for frame in self.streams if frame["channel"] == channel)

    @property
    def merged(self) -> int:
        """How many frames stood for several."""
        return sum("first" in frame for frame in self.streams)

    @property
    def reason(self) -> str:
        assert self.end is not None
        return str(self.end["finish_reason"])

    def take(self, frame: Json) -> None:
        """Check one frame and add it."""
        match frame["type"]:
            case "queued":
                self._require(self.start is None and not self.partial, "queued after start", frame)
                self.places.append(frame)
            case "start":
                self._take_start(frame)
            case "stream":
                self._take_stream(frame)
            case "error":
                known = self.start is not None or self.partial or frame["code"] == "no_run"
                self._require(known, "a run's error before its start", frame)
                self._require(self.end is None, "an error after the end", frame)
                self.error = frame
            case "end":
                self._require(self.end is None, "a second end", frame)
                self._require(frame["seq"] == self.seq + 1, f"an end that does not follow frame {self.seq}", frame)
                self._require(self.start is not None or self.partial, "an end without a start", frame)
                self.seq, self.end = frame["seq"], frame

    def _take_start(self, frame: Json) -> None:
        if self.seq >= 0:
            self.rewinds += 1
            self.streams, self.received, self.partial, self.end = [], [], False, None
        self._require(frame["seq"] == 0, "a start that is not frame 0", frame)
        self.start, self.seq = frame, 0

    def _take_stream(self, frame: Json) -> None:
        self._require(self.start is not None or self.partial, "text before the start", frame)
        self._require(self.end is None, "text after the end", frame)
        self._require(self.error is None, "text after the error", frame)
        first, seq = frame.get("first", frame["seq"]), frame["seq"]
        self._require(first == self.seq + 1 and seq >= first, f"frames {first}…{seq} after frame {self.seq}", frame)
        self._require(bool(frame["content"]), "a frame without text", frame)
        self._require("\ufffd" not in frame["content"], "half a character", frame)
        self.seq = seq
        self.streams.append(frame)
        self.received.append(time.monotonic())

    def _require(self, fine: bool, what: str, frame: Json) -> None:
        if not fine:
            raise Broken(f"run {self.run}: {what}: {frame}")


class Client:
    """`async with Client(server) as client`. What it saw survives its connections, as on a phone."""

    connected: ClassVar[set[Client]] = set()
    """For the fixture that closes what a failed test leaves open."""

    def __init__(self, server: Server, *, port: int | None = None, query: str = "?v=1", headers: dict[str, str] | None = None) -> None:
        self.server = server
        self.url = f"ws://127.0.0.1:{port or server.port}/ws/chat/{query}"
        self.headers = headers or {}
        self.frames: list[Json] = []
        self.runs: dict[str, RunView] = {}
        self.by_key: dict[str, RunView] = {}
        self.closed: tuple[int, str] | None = None
        """Close code and reason, once the server has closed."""
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def connect(self) -> Client:
        self.closed = None
        self._socket = await connect(
            self.url,
            additional_headers=self.headers,
            proxy=None,
            max_size=None,
            ping_interval=None,
            compression=None,
            open_timeout=LIMIT_S,
            close_timeout=5,
        )
        self._reader = asyncio.create_task(self._read(self._socket))
        Client.connected.add(self)
        return self

    async def leave(self) -> None:
        """Close politely. Idempotent."""
        if self._socket is not None and self._reader is not None:
            await self._socket.close()
            with contextlib.suppress(Broken):
                await self._reader
        self._socket = None
        Client.connected.discard(self)

    def drop(self) -> None:
        """Be gone without a word, as a phone that loses its network."""
        assert self._socket is not None
        self._socket.transport.abort()

    async def gone(self) -> None:
        """Until the connection has ended."""
        assert self._reader is not None
        async with asyncio.timeout(LIMIT_S):
            await self._reader
        self._socket = None
        Client.connected.discard(self)

    # --- what it says ---

    async def send(self, **frame: Any) -> None:
        await self.send_text(json.dumps(frame))

    async def send_text(self, text: str | bytes) -> None:
        assert self._socket is not None, "not connected"
        await self._socket.send(text)

    async def submit(self, **frame: Any) -> RunView:
        """Send a frame that begins a run, and return the run once the server has acknowledged it."""
        key = frame.setdefault("key", uuid4().hex)
        began = len(self.frames)
        await self.send(**frame)
        await self.until(lambda: key in self.by_key or self.refusal(key, began) is not None, f"an answer to {frame}")
        if key not in self.by_key:
            raise Refused(self.refusal(key, began) or {})
        return self.by_key[key]

    async def say(self, message: str, **fields: Any) -> RunView:
        return await self.submit(type="message", message=message, **fields)

    async def ask(self, message: str, **fields: Any) -> RunView:
        """Say it and wait for the whole answer."""
        return await self.finish(await self.say(message, **fields))

    async def resume(self, run: str, after: int | None = None) -> RunView:
        """Watch a run from behind `after`, else from behind what this client has."""
        view = self.runs.get(run)
        if view is None:
            view = self.runs[run] = RunView(run, after=-1 if after is None else after)
        await self.send(type="resume", run=run, after=view.seq if after is None else after)
        return view

    async def ping(self) -> None:
        """Until everything that was sent before has been read by the server."""
        count = self.count("pong")
        await self.send(type="ping")
        await self.until(lambda: self.count("pong") > count, "a pong")

    # --- what it waits for ---

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    if self._reader is not None and self._reader.done():
                        self._reader.result()
                        raise AssertionError(f"the connection ended ({self.closed}) before {what}\n{self.story()}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no sign of {what} in {LIMIT_S:.0f} s\n{self.story()}") from None

    async def finish(self, view: RunView) -> RunView:
        await self.until(lambda: view.end is not None, f"the end of run {view.run}")
        return view

    async def pieces(self, view: RunView, count: int) -> RunView:
        """Until `count` frames of text are there (or stand for as many)."""
        await self.until(lambda: view.seq >= count or view.end is not None, f"{count} pieces of run {view.run}")
        return view

    def count(self, kind: str) -> int:
        return sum(frame["type"] == kind for frame in self.frames)

    def refusal(self, key: str, began: int) -> Json | None:
        """The error that answers a frame that was sent when `began` frames were there."""
        return next((frame for frame in self.frames[began:] if frame["type"] == "error" and frame.get("key") == key), None)

    async def error(self, code: str) -> Json:
        """Until an error with this code has come; returns the newest."""
        await self.until(lambda: any(f["type"] == "error" and f["code"] == code for f in self.frames), f"the error {code}")
        return [f for f in self.frames if f["type"] == "error" and f["code"] == code][-1]

    def story(self) -> str:
        newest = "\n".join(json.dumps(frame, ensure_ascii=False)[:300] for frame in self.frames[-12:])
        return f"--- its last frames ---\n{newest}"

    # --- reading ---

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                if not isinstance(text, str):
                    raise Broken(f"a binary message: {text[:100]!r}")
                self._take(json.loads(text))
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self.closed = (socket.close_code or 1006, socket.close_reason or "")
            self._news.set()

    def _take(self, frame: Json) -> None:
        self.frames.append(frame)
        if (run := frame.get("run")) is None or frame.get("code") == "no_run":
            return
        view = self.runs.get(run)
        if view is None:
            view = self.runs[run] = RunView(run)
        view.take(frame)
        if (key := frame.get("key")) is not None:
            self.by_key[key] = view


class Refused(Exception):
    """The server refused a frame; nothing was stored."""

    def __init__(self, error: Json) -> None:
        super().__init__(error.get("message"))
        self.error = error
        self.code = error.get("code")
