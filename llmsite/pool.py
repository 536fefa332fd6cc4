"""The engines of all models: loaded when they are needed, kept while there is room, unloaded when another one needs it.

Local models are loaded one after the other, in a thread of their own; remote ones each in its own, for they cost only the wait. Whoever wants a
model holds it from the moment of asking, and what is held is never unloaded. When a model needs room and all the others are held, the one that was
loaded first takes no more answers: those that come for it wait until it has made room and is loaded again. So that two models that do not fit
together do more than load, each stays at least as long as its loading took.

An adapter computes with the weights of its base: it holds its base's slot for as long as it is loaded itself, so that the base stays, and is one.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal, TypeVar

from inference.engine import Engine
from inference.errors import EngineDead, EngineError, NoModel, NotReady, OutOfMemory
from inference.types import EngineInfo, LoadProgress
from llmsite.config import EmbeddingConfig, ModelConfig
from llmsite.engines import is_remote
from llmsite.room import Room, Sharer, give_back

log = logging.getLogger(__name__)

State = Literal["idle", "loading", "ready", "failed"]
T = TypeVar("T")


class _NotWanted(Exception):
    """Nobody waits for this model any more."""


@dataclass(frozen=True, slots=True)
class View:
    """How a model is just now."""

    state: State
    progress: LoadProgress | None
    info: EngineInfo | None
    """As it was when it ran last."""
    error: EngineError | None


class _Slot:
    """One model: its engine when it is loaded, and who wants it. All of it is guarded by the pool's lock."""

    def __init__(self, model: ModelConfig, base: _Slot | None = None) -> None:
        self.model = model
        self.base = base
        """Of an adapter: the model whose weights it computes with."""
        self.holds_base = False
        self.engine: Engine | None = None
        self.starting: Engine | None = None
        self.loading: Future[Engine] | None = None
        self.leaving: Future[None] | None = None
        """Set while it takes no more answers; done when those that come may ask again."""
        self.users = 0
        """Who holds it, or waits for it to be loaded."""
        self.used_at = self.ready_at = self.load_s = self.failed_at = 0.0
        self.progress: LoadProgress | None = None
        self.info: EngineInfo | None = None
        self.error: EngineError | None = None
        self.cause: BaseException | None = None
        """What `error` says in a phone's words: that tells no paths."""

    @property
    def weightless(self) -> bool:
        """Loading it takes no memory to speak of, and need not wait for its turn."""
        return is_remote(self.model) or self.base is not None

    @property
    def state(self) -> State:
        if self.engine is not None:
            return "ready"
        return "loading" if self.loading is not None else "failed" if self.error is not None else "idle"


class EnginePool:
    """`known` looks up the models by name, the default one first. `adapt` builds an adapter's engine on its base's. `room` says whether a model fits
    beside engines, in a thread.

    `keep`: so many local models stay loaded at most, an adapter not counted beside its base; 0: as many as there is memory for. Any thread may call;
    nothing but `use` and `close` awaits.
    """

    def __init__(
        self,
        known: Callable[[], Mapping[str, ModelConfig]],
        build: Callable[[ModelConfig], Engine],
        *,
        adapt: Callable[[ModelConfig, Engine], Engine] | None = None,
        room: Callable[[ModelConfig, Sequence[Engine]], Room] = lambda model, loaded: "fits",
        keep: int = 0,
    ) -> None:
        self._known = known
        self._build = build
        self._adapt = adapt
        self._room = room
        self._keep = keep
        self._changed = threading.Condition()
        self._models = known()
        self.default = next(iter(self._models))
        self._slots: dict[str, _Slot] = {}
        self._pending: queue.SimpleQueue[_Slot | None] = queue.SimpleQueue()
        self._loader: threading.Thread | None = None
        self._closed = False

    # --- names ---

    def models(self) -> Mapping[str, ModelConfig]:
        """Those there are now: a download may have come since the last look."""
        self._models = self._known()
        return self._models

    def name_of(self, asked: str) -> str:
        """The name of the model that is meant: "" is the default one; letters may be small or big, and an owner left out. Raises NoModel."""
        if not asked:
            return self.default
        found = _match(asked, self._models) or _match(asked, self.models())
        if found is None:
            raise NoModel(name=asked, known=", ".join(self._models))
        return found

    def view(self, name: str) -> View:
        with self._changed:
            slot = self._slots.get(name)
            if slot is None:
                return View("idle", None, None, None)
            first = slot.base if slot.base is not None and slot.base.loading is not None else slot
            return View(slot.state, first.progress if slot.loading is not None else None, slot.info, slot.error)

    def cause(self, name: str) -> BaseException | None:
        """What a model failed with, for the owner: as it was raised."""
        slot = self._slots.get(name)
        return slot.cause if slot else None

    def loaded(self, name: str) -> Engine | None:
        """The model's engine, if it is ready; it may be unloaded at any time. To answer, `use` it."""
        return self.ready().get(name)

    def ready(self) -> dict[str, Engine]:
        """The engines that are loaded, in the same way."""
        with self._changed:
            return {name: slot.engine for name, slot in self._slots.items() if slot.engine is not None}

    # --- who wants one ---

    @asynccontextmanager
    async def use(self, name: str, since: float | None = None) -> AsyncIterator[Engine]:
        """Hold a model's engine: load it where it is not, and keep it loaded until the end of the block.

        A loading that failed after `since` (time.monotonic; None: now) fails this, too; else it is tried again.
        Raises NoModel, and the EngineError that the loading fails with.
        """
        slot, found = await self._join(name, monotonic() if since is None else since)
        try:
            yield await _wait(found) if isinstance(found, Future) else found
        finally:
            self._leave(slot)

    def begin(self, name: str) -> Future[Engine]:
        """Load a model without holding it afterwards, from any thread."""
        with self._changed:
            slot = self._slot(name)
            loading = self._begin(slot)
            slot.users += 1
        loading.add_done_callback(lambda _: self._leave(slot))
        return loading

    async def _join(self, name: str, since: float) -> tuple[_Slot, Engine | Future[Engine]]:
        """From here on it is held: ready, or being loaded."""
        while True:
            with self._changed:
                slot = self._slot(name)
                if self._closed:
                    raise NotReady
                if slot.error is not None and slot.failed_at >= since:
                    raise slot.error
                leaving = slot.leaving or (slot.base.leaving if slot.base is not None else None)
                if leaving is None:
                    slot.users += 1
                    return slot, slot.engine or self._begin(slot)
            await _wait(leaving)

    def _leave(self, slot: _Slot) -> None:
        with self._changed:
            slot.users -= 1
            slot.used_at = monotonic()
            self._changed.notify_all()

    def _slot(self, name: str) -> _Slot:
        slot = self._slots.get(name)
        if slot is None:
            model = self._models.get(name)
            if model is None:
                raise NoModel(name=name, known=", ".join(self._models))
            slot = self._slots[name] = _Slot(model, self._slot(model.base) if model.base else None)
        return slot

    def _begin(self, slot: _Slot) -> Future[Engine]:
        """Under the lock."""
        if slot.loading is None:
            slot.loading = Future()
            slot.loading.set_running_or_notify_cancel()  # so that a caller who stops waiting cannot cancel it for the others
            slot.progress = LoadProgress("waiting")
            slot.error = slot.cause = None
            if slot.weightless:
                threading.Thread(target=self._load, args=(slot,), name=f"starting {slot.model.name}", daemon=True).start()
            else:
                self._pending.put(slot)
                if self._loader is None:
                    self._loader = threading.Thread(target=self._load_all, name="model loader", daemon=True)
                    self._loader.start()
        return slot.loading

    # --- loading, in a thread ---

    def _load_all(self) -> None:
        while (slot := self._pending.get()) is not None:
            self._load(slot)

    def _load(self, slot: _Slot) -> None:
        try:
            engine = self._build(slot.model) if slot.base is None else self._build_on(slot, slot.base)
            began = self._load_where_there_is_room(slot, engine)
        except _NotWanted:
            self._let_base_go(slot)
        except BaseException as error:
            self._let_base_go(slot)
            self._end_failed(slot, error)
        else:
            self._end_ready(slot, engine, monotonic() - began)

    def _build_on(self, slot: _Slot, base: _Slot) -> Engine:
        """An adapter's engine, once its base is loaded. From here on it holds the base."""
        assert self._adapt is not None, "a pool with adapters is told how to build them"
        with self._changed:
            if self._closed:
                raise NotReady
            base.users += 1
            slot.holds_base = True
            found = base.engine or self._begin(base)
        return self._adapt(slot.model, found.result() if isinstance(found, Future) else found)

    def _let_base_go(self, slot: _Slot) -> None:
        """What an adapter's engine took with it when it was made, if it was."""
        with self._changed:
            held, slot.holds_base = slot.holds_base, False
        if held and slot.base is not None:
            self._leave(slot.base)

    def _load_where_there_is_room(self, slot: _Slot, engine: Engine) -> float:
        """Returns when the loading itself began."""
        tight = False
        while True:
            self._check_wanted(slot)
            room: Room = "fits" if slot.weightless else self._make_room(slot, tight=tight)
            began = monotonic()
            try:
                self._start(slot, engine)
                return began
            except OutOfMemory:
                if room == "never" or slot.weightless or not self._others(slot):
                    raise
                tight = True  # the figures were too hopeful

    def _check_wanted(self, slot: _Slot) -> None:
        """Before anything is done for it that costs the others. Raises _NotWanted, NotReady."""
        with self._changed:
            if self._closed:
                raise NotReady
            if not slot.users:  # under the lock, so that nobody joins a loading that will not be
                slot.loading = slot.progress = slot.starting = None
                raise _NotWanted

    def _start(self, slot: _Slot, engine: Engine) -> None:
        def progressed(progress: LoadProgress) -> None:
            slot.progress = progress

        with self._changed:
            if self._closed:
                raise NotReady
            slot.starting = engine
        asyncio.run(engine.start(progressed))

    def _end_ready(self, slot: _Slot, engine: Engine, seconds: float) -> None:
        with self._changed:
            future, slot.loading, slot.starting, slot.progress = slot.loading, None, None, None
            if not self._closed:
                slot.engine, slot.info = engine, engine.info
                slot.ready_at, slot.load_s = monotonic(), seconds
        assert future is not None
        if self._closed:
            _stop(engine)
            future.set_exception(NotReady())
        else:
            self._share()
            future.set_result(engine)

    def _end_failed(self, slot: _Slot, error: BaseException) -> None:
        plain = told(error, slot.model)
        with self._changed:
            future, slot.loading, slot.starting, slot.progress = slot.loading, None, None, None
            if not self._closed:
                slot.error, slot.cause, slot.failed_at = plain, error, monotonic()
        assert future is not None
        future.set_exception(plain)
        _let_go(error)
        give_back()

    # --- room ---

    def _others(self, slot: _Slot) -> list[_Slot]:
        with self._changed:
            return [s for s in self._slots.values() if s.engine is not None and s is not slot and not is_remote(s.model)]

    def _make_room(self, slot: _Slot, *, tight: bool) -> Room:
        """Unload the idle engines, the one that was used longest ago first, until `slot` fits; wait for those that answer when nothing else will do.

        `tight`: one has to go, whatever the figures say. Returns "never" where unloading all of them would not help: then none is.
        """
        try:
            while others := self._others(slot):
                room: Room = "short" if tight or self._too_many(others) else self._room(slot.model, [s.engine for s in others if s.engine])
                if room != "short":
                    return room
                self._check_wanted(slot)
                if self._unload_one(others):
                    tight = False
                else:
                    self._ask_to_leave(slot, others)
                    self._check_wanted(slot)
            return "fits"
        finally:
            self._let_stay()

    def _share(self) -> None:
        """The caches of all loaded models together keep within what the first found free."""
        with self._changed:
            engines = [s.engine for s in self._slots.values() if isinstance(s.engine, Sharer)]
        for engine in engines:
            engine.share_cache(len(engines))

    def _too_many(self, others: list[_Slot]) -> bool:
        return bool(self._keep) and sum(other.base is None for other in others) >= self._keep

    def _unload_one(self, others: list[_Slot]) -> bool:
        """False when all are held."""
        with self._changed:
            idle = [s for s in others if not s.users]
            if not idle:
                return False
            slot = min(idle, key=lambda s: s.used_at)
            engine, slot.engine = slot.engine, None
            self._free(slot)
        log.info("unloading %s: another model needs the room", slot.model.name)
        _stop(engine)
        del engine
        self._let_base_go(slot)
        self._share()
        give_back()
        return True

    def _ask_to_leave(self, slot: _Slot, others: list[_Slot]) -> None:
        """All are held. Wait for news: that one is not, or that `slot` is wanted no more."""
        with self._changed:
            first = min(others, key=lambda s: s.ready_at)
            stays_s = first.ready_at + first.load_s - monotonic()
            if stays_s <= 0 and first.leaving is None:
                first.leaving = Future()
                first.leaving.set_running_or_notify_cancel()
            if slot.users and not self._closed and all(s.users for s in others):
                self._changed.wait(stays_s if stays_s > 0 else None)

    def _let_stay(self) -> None:
        with self._changed:
            for slot in self._slots.values():
                self._free(slot)

    @staticmethod
    def _free(slot: _Slot) -> None:
        """Those who come may ask again. Under the lock."""
        leaving, slot.leaving = slot.leaving, None
        if leaving is not None:
            leaving.set_result(None)

    # --- the end ---

    async def close(self) -> None:
        """Stop all engines; what loads is given up. Idempotent."""
        with self._changed:
            self._closed = True
            engines = [e for s in self._slots.values() for e in (s.engine, s.starting) if e is not None]
            for slot in self._slots.values():
                slot.engine = None
            self._pending.put(None)
            self._changed.notify_all()
        self._let_stay()
        await asyncio.gather(*(engine.stop() for engine in engines), return_exceptions=True)


async def _wait(future: Future[T]) -> T:
    """Its result; whoever stops waiting does not cancel it for the others."""
    return await asyncio.shield(asyncio.wrap_future(future))


def _match(asked: str, names: Collection[str]) -> str | None:
    if asked in names:
        return asked
    wanted = asked.lower()
    matches = [n for n in names if n.lower() == wanted] or [n for n in names if n.lower().rpartition("/")[2] == wanted]
    return matches[0] if len(matches) == 1 else None


def _stop(engine: Engine | None) -> None:
    try:
        if engine is not None:
            asyncio.run(engine.stop())
    except Exception:
        log.exception("an engine that was to be unloaded did not stop as it should")


def _let_go(error: BaseException) -> None:
    """The frames of its tracebacks hold what was loaded so far; lines and names stay."""
    link: BaseException | None = error
    while link is not None:
        if link.__traceback__ is not None:
            traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__


def told(error: BaseException, model: ModelConfig | EmbeddingConfig) -> EngineError:
    """The same for people elsewhere: where a model lies is the owner's business."""
    if not isinstance(error, EngineError):
        log.error("loading %s failed", model.name, exc_info=error)
        return EngineDead(reason=str(error))
    folders = [str(text) for text in (error.params.get("path", ""), model.path) if Path(str(text)).expanduser().is_absolute()]
    params = dict(error.params)
    for name, value in params.items():
        for folder in folders:
            if isinstance(value, str):
                value = params[name] = value.replace(folder, model.name)
    return type(error)(**params)
