"""A web process's side: it asks the engine process, hears what runs come to, and notices when the engine process is gone.

Gone is one whose lock has not been there for a while, while Redis could be asked all the time. Then what it left is made final by one of the web
processes (or by the next engine process, whoever comes first), and that is what the phones get to see.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from chat import limits, services, sockets
from chat.cluster import messages, news
from chat.cluster.bus import (
    BEAT_S,
    COUNTS,
    FIGURES_S,
    KEPT_COUNTS,
    LEASE_S,
    LOG,
    NEWS,
    RETRY_S,
    Bus,
    BusDown,
    Entry,
    Writer,
    dumps,
    inbox_of,
    requests_of,
)
from chat.cluster.counts import Counts
from chat.cluster.messages import EngineAway, Json
from chat.cluster.recovery import Texts, texts_in
from chat.database import in_database
from chat.metrics import Figures

log = logging.getLogger(__name__)

ASK_S = 20.0
"""How long an answer is waited for; storing a message may wait for a busy database."""
AGAIN_S = 4.0
"""A request without an answer is sent again after this: Redis may have lost it."""
GRACE_S = 3.0
"""So long the lock is missing before another process makes final what its holder left."""
REAP_S = 60.0
"""Longer than making everything final takes."""


class WebLink:
    """`told_of_runs` gets each batch of updates; `missed` is called when some were missed or the engine process is another one, or gone."""

    def __init__(self, bus: Bus, limiter: limits.Limiter | None = None) -> None:
        self.id = secrets.token_hex(8)
        self.engine: str | None = None
        """The engine process, while it lives."""
        self.status: Json = {}
        """What the engine process, or the last one, said of itself."""
        self.name = ""
        """The server's .local name."""
        self.own_name: Callable[[], str] = str
        """Of the process that publishes it: what it is."""
        self.figures: Callable[[], Figures] = list
        """What this process counts."""
        self.process = f"web {self.id}"
        """Its name among them."""
        self.told_of_runs: Callable[[Json], None] = lambda runs: None
        self.told_of_call: Callable[[Json], None] = lambda message: None
        self.gone: Callable[[], None] = lambda: None
        """Called when the engine process is another one, or none."""
        self.missed: Callable[[], None] = lambda: None
        self.settle: Callable[[], Awaitable[None]] = _nothing
        """Called each BEAT_S: for what was missed."""
        self.clearing_up: Callable[[str], AbstractContextManager[bool]] = lambda gone: nullcontext(True)
        """Whether what the engine process `gone` left may be made final: not while another one, at another Redis, writes to the same database."""
        self._bus = bus
        self._out: list[Entry] = []
        self._waiting: dict[str, tuple[asyncio.Future[Any], Callable[[Any], Any]]] = {}
        self._writer = Writer(bus, self._collect)
        self._relay = news.Relay(self.id, self._post_news)
        self._counts = Counts(self.id, limiter or limits.shared(), self._writer.wake)
        self._number: int | None = None
        self._missing_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._reaping: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    def start(self) -> None:
        """Idempotent; on the event loop."""
        if self._tasks:
            return
        self._relay.bind()
        self._counts.bind()
        sockets.relay = self._relay
        works = {"writer": self._writer.run(), "reader": self._read_for_ever(), "pulse": self._beat_for_ever()}
        self._tasks = [asyncio.create_task(work, name=f"web link: {name}") for name, work in works.items()]

    async def stop(self) -> None:
        sockets.relay = None
        self._counts.unbind()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._writer.drained(), 0.3)
        tasks = [*self._tasks, *([self._reaping] if self._reaping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(BusDown):
            await self._bus.close()

    async def looked(self) -> None:
        """Until it is known whether there is an engine process."""
        await self._looked.wait()

    async def ask(self, what: str, *, take: Callable[[Any], Any] = lambda answer: answer, **fields: Any) -> Any:
        """Ask the engine process. Raises what it raised; EngineAway where there is none.

        Returns what `take` makes of the answer, at once, before anything that was said after it is read.
        """
        id_ = secrets.token_hex(8)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = future, take
        until = time.time() + ASK_S
        request = dumps({"id": id_, "web": self.id, "ask": what, "until": until, **fields})
        try:
            while time.time() < until:
                if self.engine is None:
                    raise EngineAway
                self._post(Entry(requests_of(self.engine), request))
                with suppress(TimeoutError):
                    return await asyncio.wait_for(asyncio.shield(future), AGAIN_S)
            raise EngineAway
        finally:
            del self._waiting[id_]
            future.cancel()

    def send(self, what: str, **fields: Any) -> None:
        """Ask without waiting for an answer."""
        if self.engine is not None:
            request = {"id": secrets.token_hex(8), "web": self.id, "ask": what, "until": time.time() + ASK_S, **fields}
            self._post(Entry(requests_of(self.engine), dumps(request)))

    # --- writing ---

    def _collect(self) -> list[Entry]:
        out, self._out = self._out, []
        if said := self._counts.collect():
            out.append(Entry(COUNTS, dumps(said), KEPT_COUNTS))
        return out

    def _post(self, entry: Entry) -> None:
        self._out.append(entry)
        self._writer.wake()

    def _post_news(self, said: Json) -> None:
        self._post(Entry(NEWS, dumps(said)))

    # --- reading ---

    async def _read_for_ever(self) -> None:
        inbox = inbox_of(self.id)
        positions: dict[str, str] = {}
        while True:
            try:
                if not positions:
                    # The inbox first: a run that an answer tells of is known when the log is read, which goes on from there.
                    positions = {inbox: "0-0"} | {stream: await self._bus.end_of(stream) for stream in (LOG, NEWS, COUNTS)}
                for stream, place, body in await self._bus.read(positions):
                    positions[stream] = place
                    self._take(stream, body)
            except BusDown as error:
                log.warning("Redis does not answer; trying again: %s", error)
                await asyncio.sleep(RETRY_S)

    def _take(self, stream: str, body: Json) -> None:
        if stream == LOG:
            self._take_batch(body)
        elif stream == NEWS:
            if body["from"] != self.id:
                news.hear(body)
        elif stream == COUNTS:
            if body["from"] != self.id:
                self._counts.hear(body)
        elif "call" in body:
            self.told_of_call(body)
        else:
            self._take_answer(body)

    def _take_batch(self, body: Json) -> None:
        if body["engine"] != self.engine:
            return  # of one that is gone, or that is not known yet: then all runs are asked for when it is
        if self._number is not None and body["n"] <= self._number:
            return
        if self._number is not None and body["n"] > self._number + 1:
            self.missed()
        self._number = body["n"]
        self.told_of_runs(body["runs"])

    def _take_answer(self, body: Json) -> None:
        future, take = self._waiting.get(body["id"], (None, None))
        if future is None or take is None or future.done():
            return
        if "error" in body:
            future.set_exception(messages.error_of(body["error"]))
        else:
            future.set_result(take(body["ok"]))

    # --- who lives ---

    async def figures_of_all(self) -> dict[str, Figures]:
        """What all processes count, by their names: of the others as it was some seconds ago. Raises BusDown."""
        return {**await self._bus.figures(), self.process: self.figures()}

    async def _beat_for_ever(self) -> None:
        written = 0.0
        while True:
            try:
                if time.monotonic() - written > FIGURES_S:
                    written = time.monotonic()
                    self._counts.say_all()
                    await self._bus.write_figures(self.process, self.figures())
                engine, status, self.name = await self._bus.pulse(self.id)
                if own := self.own_name():
                    await self._bus.set_name(own)
            except BusDown:
                self._missing_since = None  # nobody is gone because Redis is
            else:
                self._saw(engine, status)
            try:
                await self.settle()
            except Exception:
                log.exception("runs that were missed could not be asked for; trying again")
            await asyncio.sleep(BEAT_S)

    def _saw(self, engine: str | None, status: Json) -> None:
        self.status = status or self.status
        if engine != self.engine:
            log.info("the engine process is %s", engine or "gone")
            self.engine, self._number = engine, None
            self._give_up_waiting()
            self.gone()
            self.missed()
        self._looked.set()
        if engine is not None:
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = time.monotonic()
        elif time.monotonic() - self._missing_since > GRACE_S and (self._reaping is None or self._reaping.done()):
            self._reaping = asyncio.create_task(self._reap(self.status.get("engine", "")), name="reaper")

    def _give_up_waiting(self) -> None:
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(EngineAway())

    async def _reap(self, gone: str) -> None:
        """Make final what a dead engine process left. Of several that try, Redis lets one."""
        try:
            if not await self._bus.fence(gone, self.id, REAP_S):
                return
            try:
                if await in_database(services.any_unfinished):
                    await in_database(self._clear_up, gone, texts_in(await self._bus.all_of(LOG), gone))
            finally:
                await self._bus.unfence(self.id)
            self._missing_since = None
        except BusDown as error:
            log.warning("Redis does not answer: %s", error)
        except Exception:
            log.exception("what the engine process left could not be made final; trying again")

    def _clear_up(self, gone: str, further: Texts) -> None:
        with self.clearing_up(gone) as may:
            if may:
                count = services.recover_interrupted(further)
                log.warning("the engine process is gone; %d answers that it left were made final as interrupted", count)


async def _nothing() -> None:
    return None


assert BEAT_S < LEASE_S
