"""The engine process's side: it carries out what web processes ask for, and tells all of them what its runs come to.

Every run and call lives here, with its queue, its flushes and its end; a web process only passes on. So a web process may die at any time and no run
knows of it. What runs come to goes out in batches, one write for all of them; who asks for a run anew gets it whole.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol
from uuid import UUID

from chat import calls, limits, protocol, sockets
from chat.calls import Call, Calls, Done
from chat.cluster import messages
from chat.cluster.bus import BEAT_S, LOG, NEWS, RETRY_S, Bus, BusDown, Entry, Writer, dumps, inbox_of, requests_of
from chat.cluster.messages import Json, Update
from chat.cluster.news import Relay
from chat.costs import costs_of
from chat.liverun import LiveRun, StoredRun
from chat.metrics import Figures
from chat.runs import RunManager
from chat.services import SystemSet
from inference.embedding import Embedded

log = logging.getLogger(__name__)

REMEMBERED = 4096
"""So many requests are known again when they come a second time."""

LIVING = "living"
"""In an answer that is not written yet: a run of which all is to be told."""


class Serving(Protocol):
    """What the engine process is asked about beside runs and calls."""

    def models(self, language: str = "en") -> list[dict[str, Any]]: ...
    def backends(self, language: str = "en") -> list[dict[str, Any]]: ...
    def model_name(self, asked: str) -> str: ...
    async def check(self) -> None: ...
    async def embed(self, name: str, texts: tuple[str, ...], call: UUID, caller: str) -> Embedded: ...
    def figures(self) -> Figures: ...


class EngineLink:
    """`id` is that of the process, under which it holds the lock (chat/cluster/heart.py)."""

    def __init__(self, bus: Bus, id: str, *, runs: RunManager, calls: Calls, serving: Serving) -> None:
        self.id = id
        self._bus, self._runs, self._calls, self._serving = bus, runs, calls, serving
        self._limiter = limits.shared()
        self._number = 0
        """Of the newest batch: a reader sees by it that one is missing."""
        self._updates: dict[UUID, Update] = {}
        self._dirty: dict[UUID, Update] = {}
        self._out: list[Entry] = []
        self._answers: list[tuple[str, Json]] = []
        self._pumps: dict[UUID, _Pump] = {}
        self._answering: OrderedDict[str, asyncio.Task[Json]] = OrderedDict()
        self._writer = Writer(bus, self._collect)
        self._relay = Relay(id, self._post_news)
        self._tasks: list[asyncio.Task[None]] = []
        runs.begun.append(self._begun)
        self._handlers: Mapping[str, Callable[[Json], Awaitable[Any]]] = {
            "submit": self._submit,
            "watch": self._watch,
            "stop": self._stop,
            "call": self._call,
            "hang_up": self._hang_up,
            "models": self._models,
            "backends": self._backends,
            "name": self._name,
            "check": self._check,
            "embed": self._embed,
        }

    def start(self) -> None:
        """From here on web processes are answered."""
        self._relay.bind()
        sockets.relay = self._relay
        works = {"writer": self._writer.run(), "requests": self._read_for_ever(), "callers": self._look_for_callers()}
        self._tasks = [asyncio.create_task(work, name=f"engine link: {name}") for name, work in works.items()]

    async def stop(self) -> None:
        """Say what there still is to say, and end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._writer.drained(), 0.5)
        sockets.relay = None
        for task in [*self._tasks, *self._answering.values()]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(BusDown):
            await self._bus.close()

    # --- what runs come to ---

    def _begun(self, run: LiveRun) -> None:
        update = self._updates[run.new.run] = Update(run)

        def news() -> None:
            self._dirty[run.new.run] = update
            self._writer.wake()

        run.listen(news)
        news()

    def _collect(self) -> list[Entry]:
        out, self._out = self._out, []
        answers, self._answers = self._answers, []
        out += [Entry(inbox_of(web), dumps(self._said(answer))) for web, answer in answers]
        out += [entry for pump in list(self._pumps.values()) for entry in pump.collect()]
        dirty, self._dirty = self._dirty, {}
        runs = {run.hex: said for run, update in dirty.items() if (said := update.next())}
        for run, update in dirty.items():
            if update.run.log.end is not None:
                self._updates.pop(run, None)
        if runs:
            self._number += 1
            out.append(Entry(LOG, dumps({"engine": self.id, "n": self._number, "runs": runs})))
        return out

    def _post_news(self, news: Json) -> None:
        self._out.append(Entry(NEWS, dumps(news)))
        self._writer.wake()

    # --- what is asked for ---

    async def _read_for_ever(self) -> None:
        mine = requests_of(self.id)
        positions: dict[str, str] = {mine: "0-0"}
        while True:
            try:
                if NEWS not in positions:
                    positions[NEWS] = await self._bus.end_of(NEWS)
                for stream, place, body in await self._bus.read(positions):
                    positions[stream] = place
                    if stream == mine:
                        self._take(body)
                    elif body["from"] != self.id:
                        self._hear(body)
            except BusDown as error:
                log.warning("Redis does not answer; trying again: %s", error)
                await asyncio.sleep(RETRY_S)

    def _hear(self, news: Json) -> None:
        if devices := news.get("revoked"):
            calls.end_calls(UUID(device) for device in devices)

    def _take(self, request: Json) -> None:
        """Carried out once each: a web process that hears nothing sends its request again, and gets the same answer. One that is too late has been
        refused there."""
        id_, web = request["id"], request["web"]
        before = self._answering.get(id_)
        if before is None and request["until"] < time.time():
            return
        if before is None:
            before = self._answering[id_] = asyncio.create_task(self._answer(request), name=f"asked to {request['ask']}")
        before.add_done_callback(lambda answered: None if answered.cancelled() else self._post(web, answered.result()))
        while len(self._answering) > REMEMBERED and next(iter(self._answering.values())).done():
            self._answering.popitem(last=False)

    async def _answer(self, request: Json) -> Json:
        answer: Json = {"id": request["id"]}
        try:
            answer["ok"] = await self._handlers[request["ask"]](request)
        except Exception as error:
            answer["error"] = messages.error_said(error) or {"kind": "internal"}
            if answer["error"]["kind"] == "internal":
                log.exception("what a web process asked for failed")
        return answer

    def _post(self, web: str, answer: Json) -> None:
        self._answers.append((web, answer))
        self._writer.wake()

    def _said(self, answer: Json) -> Json:
        """A run is told as it is when that is written: nothing that the log has said before is missing in it."""
        found = answer.get("ok")
        if not isinstance(found, dict) or LIVING not in found:
            return answer
        run = self._runs.live.get(UUID(found[LIVING]))
        return answer | {"ok": messages.whole(run) if run is not None else {"stored": found[LIVING]}}

    async def _submit(self, request: Json) -> Json:
        """What costs the model is counted here, for all web processes together."""
        client, frame = messages.client_in(request["client"]), protocol.parse(request["frame"])
        key = limits.key_of(client.fair)
        self._limiter.take(key, **{kind: cost for kind, cost in costs_of(frame).items() if kind != "frames"})
        with self._limiter.answer(key, self._runs.live) as begun:
            place = UUID(request["conversation"]) if request["conversation"] else None
            submitted = await self._runs.submit(frame, client, request["language"], place)
            if isinstance(submitted, SystemSet):
                return {"system": [submitted.conversation.hex, submitted.message.hex]}
            begun(submitted.log.run)
        return {"stored": submitted.log.run.hex} if isinstance(submitted, StoredRun) else {LIVING: submitted.log.run.hex}

    async def _watch(self, request: Json) -> Json:
        live = self._runs.live.get(UUID(request["run"]))
        return {LIVING if live is not None and live.client.owner.hex == request["owner"] else "stored": request["run"]}

    async def _stop(self, request: Json) -> bool:
        return self._runs.stop_now(UUID(request["run"]), messages.client_in(request["client"]))

    async def _call(self, request: Json) -> Json:
        client, asked = messages.client_in(request["client"]), messages.asked_in(request["asked"])
        with self._limiter.answer(f"v1 {limits.key_of(client.fair)}", self._calls.live) as begun:
            call = self._calls.begin(asked, client)
            begun(call.id)
        id_ = UUID(request["call"])
        self._pumps[id_] = _Pump(id_, call, request["web"], self._writer.wake, lambda: self._pumps.pop(id_, None))
        return {"model": call.model}

    async def _hang_up(self, request: Json) -> bool:
        pump = self._pumps.get(UUID(request["call"]))
        if pump is not None:
            pump.call.hang_up()
        return pump is not None

    async def _models(self, request: Json) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._serving.models, request["language"])

    async def _backends(self, request: Json) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._serving.backends, request["language"])

    async def _name(self, request: Json) -> str:
        return self._serving.model_name(request["name"])

    async def _check(self, request: Json) -> bool:
        await self._serving.check()
        return True

    async def _embed(self, request: Json) -> Json:
        with self._limiter.answer(request["caller"], ()):
            found = await self._serving.embed(request["name"], tuple(request["texts"]), UUID(request["call"]), request["caller"])
        return {"vectors": found.vectors, "tokens": found.tokens}

    async def _look_for_callers(self) -> None:
        """A call belongs to its connection: where the web process that has it dies, it ends."""
        while True:
            await asyncio.sleep(2 * BEAT_S)
            await self._write_figures()
            webs = sorted({pump.web for pump in self._pumps.values()})
            try:
                alive = dict(zip(webs, await self._bus.are_alive(webs), strict=True)) if webs else {}
            except BusDown:
                continue
            for pump in list(self._pumps.values()):
                if alive.get(pump.web) is False:
                    pump.call.hang_up()

    async def _write_figures(self) -> None:
        with suppress(BusDown):
            await self._bus.write_figures("engine", await asyncio.to_thread(self._serving.figures))


class _Pump:
    """Carries what a call comes to towards the web process that asked."""

    def __init__(self, id: UUID, call: Call, web: str, wake: Callable[[], None], over: Callable[[], object]) -> None:
        self.id, self.call, self.web = id, call, web
        self._wake, self._over = wake, over
        self._deltas: list[tuple[str, str]] = []
        self._end: Json | None = None
        self._number = 0
        self._task = calls.alone(self._read(), name=f"call {call.id} for {web}")

    def collect(self) -> list[Entry]:
        deltas, self._deltas = self._deltas, []
        if not deltas and self._end is None:
            return []
        self._number += 1
        said: Json = {"call": self.id.hex, "n": self._number, "deltas": deltas}
        if self._end is not None:
            said["end"] = self._end
            self._over()
        return [Entry(inbox_of(self.web), dumps(said))]

    async def _read(self) -> None:
        try:
            async for event in self.call.events():
                if isinstance(event, Done):
                    usage = (event.usage.prompt_tokens, event.usage.completion_tokens)
                    self._end = {"reason": event.reason, "usage": usage, "thinking_tokens": event.thinking_tokens}
                else:
                    self._deltas.append((event.channel, event.text))
                self._wake()
        except Exception as error:
            self._end = {"error": messages.error_said(error) or {"kind": "internal"}}
            self._wake()
