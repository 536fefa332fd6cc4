"""One model on several servers: each question goes to the one with the most room, and to the next one where it finds no answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from inference.backend_health import Health
from inference.errors import BackendFiltered, BackendRefused, BackendUnreachable, ContextOverflow, DecodingFailed, EngineError, NotReady
from inference.openai_answer import Answer
from inference.openai_engine import LONGEST_WAIT_S, RETRIES, OpenAIEngine
from inference.openai_errors import Failure
from inference.types import BackendView, Delta, EngineInfo, Finish, GenerationRequest, LoadProgress, ProgressCallback, Prompt
from inference.watch import Watch

log = logging.getLogger(__name__)

LOOK_S = 10.0
"""How often a server that is up is looked at; one that is down, when its pause is over."""
TICK_S = 0.5

OF_THE_REQUEST = (ContextOverflow, BackendFiltered)
"""Another server would say the same."""


@dataclass
class Member:
    """One of the servers. All but `engine` is guarded by the engine's lock."""

    name: str
    engine: OpenAIEngine
    weight: float = 1.0
    health: Health = field(default_factory=Health)
    running: int = 0
    taken: int = 0
    """Answers so far, for equal loads."""
    looked_at: float = 0.0


class BalancedEngine:
    """Keeps `inference.engine.Engine`.

    A server that is dead, refuses, does not let itself be connected to or answers 5xx or 429 costs no answer: before the first token the next one is
    asked. After it the answer ends with the error, and can be continued. `info.max_streams` is the sum of those that are not down.
    """

    def __init__(self, name: str, members: Sequence[Member], *, backoff_s: float = 0.5, look_s: float = LOOK_S) -> None:
        assert members, "at least one server"
        self._name, self._members = name, tuple(members)
        self._backoff_s, self._look_s = backoff_s, look_s
        self._lock = threading.Lock()
        self._watch = Watch(f"looking at {name}")
        self._ready = False

    @property
    def info(self) -> EngineInfo:
        if not self._ready:
            raise NotReady
        one, views = self._members[0].engine.info, self.views()
        places = [view.max_streams for view in views if view.state != "down"] or [view.max_streams for view in views]
        return replace(one, name=self._name, device=", ".join(view.url for view in views), max_streams=sum(places), backends=views)

    def views(self) -> tuple[BackendView, ...]:
        """How each server is, also when none lets the engine start."""
        with self._lock:
            return tuple(map(_view, self._members))

    async def start(self, progress: ProgressCallback) -> None:
        """Ask all servers whether they are there. One that is there is enough; when none is, raises what the first one failed with."""
        progress(LoadProgress(f"asking {len(self._members)} servers"))
        for member in self._members:
            member.engine.open()  # a missing key is the owner's to mend, whatever the others say
        errors = await asyncio.gather(*map(self._look, self._members))
        if all(errors) and errors[0] is not None:
            raise errors[0]
        for member, error in zip(self._members, errors, strict=True):
            if error is not None:
                log.warning("%s: %s is down: %s", self._name, member.name, error)
                if member.health.state != "down":  # it was silent: at the start once is enough
                    member.health.failed(error)
        self._ready = True
        self._watch.begin(self._look_on())
        progress(LoadProgress(f"asking {len(self._members)} servers", 1.0))

    async def prepare(self, request: GenerationRequest) -> Prompt:
        """As for one server: they understand the same and are told the same, but for the model's name, which is each one's own."""
        if not self._ready:
            raise NotReady
        return await self._members[0].engine.prepare(request)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Finish, None]:
        if not self._ready:
            raise NotReady
        started = time.perf_counter()
        for attempt in range(RETRIES + 1):
            failures: dict[str, Failure] = {}
            while (member := self._take(failures)) is not None:
                answer = member.engine.answer(prompt, started)
                try:
                    async with contextlib.aclosing(self._ask(member, prompt, answer)) as deltas:
                        async for delta in deltas:
                            yield delta
                    self._blame(failures)
                    yield answer.finish()
                    return
                except Failure as failure:
                    failures[member.name] = failure
                    self._failed(member, failure)
                    if answer.began or isinstance(failure.error, OF_THE_REQUEST):
                        raise failure.error from None
                finally:
                    self._leave(member)
            await self._pause(attempt, list(failures.values()))

    async def _ask(self, member: Member, prompt: Prompt, answer: Answer) -> AsyncGenerator[Delta, None]:
        async with contextlib.aclosing(member.engine.attempt(prompt, answer)) as deltas:
            first = await self._first(member, deltas)
            self._answered(member)
            if first is not None:
                yield first
            async for delta in deltas:
                member.health.heard()
                yield delta

    async def _first(self, member: Member, deltas: AsyncGenerator[Delta, None]) -> Delta | None:
        """The first piece of text; None where the answer is empty. It is not waited for any longer when a look finds the server gone: a computer
        that lost its power says nothing, not even that it is off."""
        gone = member.health.gone
        waiting = asyncio.ensure_future(anext(deltas, None))
        try:
            while not (await asyncio.wait({waiting}, timeout=TICK_S))[0]:
                if member.health.gone != gone:
                    raise Failure(member.health.error or BackendUnreachable(url=member.engine.url), again=True)
            return waiting.result()
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def _pause(self, attempt: int, failures: list[Failure]) -> None:
        """All have failed. Returns when they may be asked once more, else raises what is to be said of it."""
        waits = [failure.after for failure in failures if failure.again and failure.after is not None]
        pause = min(waits, default=self._backoff_s * 2**attempt * random.uniform(0.75, 1.25))
        if attempt == RETRIES or pause > LONGEST_WAIT_S or not self._ready or not any(failure.again for failure in failures):
            told = sorted((failure.error for failure in failures), key=lambda error: isinstance(error, BackendRefused))
            # `from None`: the openai package's exceptions hold the request with its headers, the key among them.
            raise told[-1] from None
        await asyncio.sleep(pause)

    # --- who is asked ---

    def _take(self, tried: Collection[str]) -> Member | None:
        with self._lock:
            member = min((m for m in self._members if m.name not in tried), key=_order, default=None)
            if member is not None:
                member.running += 1
                member.taken += 1
            return member

    def _leave(self, member: Member) -> None:
        with self._lock:
            member.running -= 1

    # --- what is learnt of them ---

    def _answered(self, member: Member) -> None:
        with self._lock:
            back = member.health.answered()
            if back:  # else it would be first at every tie until it has caught up
                member.taken = round(member.weight * max(m.taken / m.weight for m in self._members))
        if back:
            log.info("%s: %s answers again", self._name, member.name)

    def _failed(self, member: Member, failure: Failure) -> None:
        if isinstance(failure.error, (*OF_THE_REQUEST, BackendRefused)):
            return
        with self._lock:
            down = member.health.failed(failure.error, failure.after)
        if down and self._ready:
            log.warning("%s: %s is down: %s", self._name, member.name, failure.error)

    def _blame(self, failures: Mapping[str, Failure]) -> None:
        """Another server took what these refused: it was not the request."""
        for member in self._members:
            failure = failures.get(member.name)
            if failure is not None and isinstance(failure.error, BackendRefused):
                with self._lock:
                    member.health.failed(failure.error)
                log.warning("%s: %s refuses what others take: %s", self._name, member.name, failure.error)

    async def _look(self, member: Member) -> EngineError | None:
        began, error = time.monotonic(), None
        try:
            await (member.engine.check() if self._ready else member.engine.look())
        except EngineError as failed:
            error = failed
        except Exception:  # a bug, and no reason to look never again
            log.exception("%s: looking at %s failed", self._name, member.name)
            error = DecodingFailed()
        with self._lock:
            member.looked_at = time.monotonic()
            changed = member.health.looked(began, error)
        if changed and self._ready:
            log.warning("%s: %s is %s%s", self._name, member.name, member.health.state, f": {error}" if error else "")
        return error

    async def _look_on(self) -> None:
        await asyncio.gather(*map(self._follow, self._members))

    async def _follow(self, member: Member) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            retry_s = member.health.retry_s()
            if retry_s == 0 or (retry_s is None and time.monotonic() - member.looked_at >= self._look_s):
                await self._look(member)

    async def check(self) -> None:
        """As the last looks found it: one server that is not down is enough."""
        if not self._ready:
            raise NotReady
        with self._lock:
            errors = [member.health.error for member in self._members if member.health.state == "down"]
        if len(errors) == len(self._members) and errors[0] is not None:
            raise errors[0]

    async def stop(self) -> None:
        """`views` is what it was."""
        self._ready = False
        # First the servers' connections, some of which are the watch's: they are closed on the loop that opened them.
        await asyncio.gather(*(member.engine.stop() for member in self._members))
        await self._watch.end()


def _order(member: Member) -> tuple[int, float, float, float]:
    """The least is asked first: those with room, by weight and load; then those that are full; last those that are down, which may be back."""
    full = member.running >= (1 if member.health.state == "trying" else member.engine.max_streams)
    rank = 2 if member.health.state == "down" else 1 if full else 0
    return rank, member.health.retry_s() or 0.0, member.running / member.weight, (member.taken + 1) / member.weight


def _view(member: Member) -> BackendView:
    health, error = member.health, member.health.error
    return BackendView(
        name=member.name,
        url=member.engine.url,
        state=health.state,
        running=member.running,
        max_streams=member.engine.max_streams,
        weight=member.weight,
        since=health.since,
        retry_s=health.retry_s(),
        code=error.code if error else "",
        why=str(error) if error else "",
        params=dict(error.params) if error else {},
    )
