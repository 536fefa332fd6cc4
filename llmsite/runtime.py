"""What lives as long as the server process: the models' engines, of which the default one is loaded at the start, and the runs.

Daphne has no lifespan protocol and `AppConfig.ready()` runs for every management command: so asgi.py makes the runtime, and everything that may be
waited for (migrations, recovery after a crash, loading the model) happens in its thread, whatever serves the application.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import secrets
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from chat import metrics, services
from chat.calls import Calls
from chat.runs import RunManager
from inference.embedding import Embedded
from inference.engine import Engine
from inference.errors import EngineDead, EngineError
from inference.types import LoadProgress
from llmsite import database_use, lock
from llmsite.backend_list import backend_list
from llmsite.computer import computer_id
from llmsite.config import Config, ModelConfig
from llmsite.database_use import InUse
from llmsite.embeddings import Embeddings
from llmsite.engines import build_adapter, build_engine, default_model, known_models
from llmsite.held_database import hold_open
from llmsite.model_list import model_list
from llmsite.network import Address
from llmsite.pool import EnginePool
from llmsite.reach import Reach
from llmsite.room import room_for
from llmsite.serve.database import bring_up_to_date
from llmsite.serve.mdns import Publisher

if TYPE_CHECKING:
    from chat.cluster.heart import Heart

log = logging.getLogger(__name__)

State = Literal["loading", "ready", "failed"]


class Runtime:
    def __init__(self, config: Config, *, build: Callable[[Config, ModelConfig], Engine] = build_engine) -> None:
        self.config = config
        self.instance = config.instance or secrets.token_hex(8)
        """Tells this server from any other that may answer on the same port."""
        self.began_at = int(time())
        """In seconds since 1970."""
        self.computer = ""
        """Tells this computer from any other, also after a restart. Known before anybody is served."""
        self.error: BaseException | None = None
        """Why the server could not start."""
        self.timings: dict[str, float] = {}
        """Seconds by step."""
        default = default_model(config)
        self.pool = EnginePool(
            lambda: known_models(config, default),
            lambda model: build(config, model),
            adapt=lambda model, base: build_adapter(config, model, base),
            room=lambda model, loaded: room_for(config, model, loaded),
            keep=config.keep_loaded,
        )
        self.runs = RunManager(self.pool, system_prompt=config.system_prompt)
        self.calls = Calls(self.runs)
        self.embeddings = Embeddings(config)
        self.heart: Heart | None = None
        """Of an engine process: it serves web processes, and holds the lock in Redis for that."""
        self.database_lost: Callable[[InUse], None] = self._end_for
        """Called from a thread when another server has begun to use the database: this one ends."""
        self._held: BaseDatabaseWrapper | None = None
        self.reach = Reach(self.instance)
        self._publisher = Publisher()
        if config.mdns:
            self.reach.told.append(self._publisher.publish)
        self._loaded: Future[Engine] = Future()
        self._stored: Future[None] = Future()
        """Set when the database is up to date and holds no run of a former process that still looks alive."""
        self._thread: threading.Thread | None = None
        self.stopped = False

    @property
    def engine(self) -> Engine | None:
        """The default model's, while it is loaded: it may have made room for another one."""
        return self.pool.loaded(self.pool.default)

    @property
    def default_model(self) -> str:
        """Its name."""
        return self.pool.default

    async def check(self) -> None:
        """Return if the default model answers, or would as soon as it is asked. Raises the EngineError that says why not."""
        engine = self.engine
        if engine is not None:
            await engine.check()

    async def embed(self, name: str, texts: tuple[str, ...], call: UUID, caller: str) -> Embedded:
        """As llmsite.embeddings has it."""
        return await self.embeddings.embed(name, texts, call, caller)

    def metrics(self) -> str:
        """The process in figures."""
        return metrics.written(self)

    def figures(self) -> metrics.Figures:
        """The same as plain values."""
        return metrics.figures(self)

    @property
    def state(self) -> State:
        """Of the default model. "ready" once it has been loaded, also while it makes room for another: then it comes back when it is asked."""
        view = self.pool.view(self.pool.default)
        if not self._loaded.done() or (view.info is None and view.state == "loading"):
            return "loading"
        return "failed" if view.info is None or view.state == "failed" else "ready"

    @property
    def progress(self) -> LoadProgress:
        """Of loading the default model."""
        return self.pool.view(self.pool.default).progress or LoadProgress("starting")

    def models(self, language: str = "en") -> list[dict[str, Any]]:
        """What clients may know of every model, the default one first. Looks at files; does not wait for anything."""
        return model_list(self.config, self.pool, language)

    def backends(self, language: str = "en") -> list[dict[str, Any]]:
        """How the servers are that a model may have several of (llmsite/backend_list.py): for the owner. Does not wait for anything."""
        return backend_list(self.pool, language)

    def model_name(self, asked: str) -> str:
        """The name of the model that is meant; "" stays: whichever is the default one. Raises NoModel."""
        return self.pool.name_of(asked) if asked else ""

    def begin(self) -> None:
        """Start loading. Idempotent; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._begin, name="loader", daemon=True)
            self._thread.start()
            atexit.register(self._at_exit)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, in a thread, until loading ended. True when it is ready; `error` says why when it failed."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self.state == "ready"

    async def ready(self) -> Engine:
        """The default model's engine, once it can answer at the start. Raises the EngineError that it failed with."""
        return await asyncio.shield(asyncio.wrap_future(self._loaded))

    @property
    def address_name(self) -> str:
        """The .local name that phones may use instead of an address; "" while there is none."""
        return self._publisher.name

    def phone_addresses(self, port: int) -> list[Address]:
        """The addresses at which a phone can reach this process, best first: each was connected to just now. Blocks for that."""
        return self.reach.at(port)

    def known_addresses(self) -> list[Address]:
        """The same as they were found at the last look, some seconds ago."""
        return self.reach.good

    def phone_urls(self, port: int) -> list[str]:
        """phone_addresses as "http://HOST:PORT"."""
        return [address.url(port, "") for address in self.phone_addresses(port)]

    @property
    def is_stored(self) -> bool:
        """Whether `stored` returns at once."""
        return self._stored.done() and self._stored.exception() is None

    def start_up(self) -> None:
        """The event loop that serves is there."""

    async def stored(self) -> None:
        """Returns once sockets may be served: no run of a former process looks alive any more."""
        await asyncio.shield(asyncio.wrap_future(self._stored))

    async def shutdown(self) -> None:
        """End running answers as interrupted, save them, stop the engines. Idempotent."""
        if self.stopped:
            return
        self.stopped = True
        self.reach.close()
        self._publisher.stop()
        await asyncio.gather(self.runs.shutdown(), self.calls.shutdown())
        await asyncio.gather(self.pool.close(), self.embeddings.stop())
        await asyncio.to_thread(self._publisher.join)
        await asyncio.to_thread(self._let_database_go)
        if self.heart is not None:
            await asyncio.to_thread(self.heart.release)
        await asyncio.to_thread(database_use.let_go)
        lock.release(self.config.data)

    def _begin(self) -> None:
        try:
            self._load()
        except BaseException as error:
            self.error = self.pool.cause(self.pool.default) or error
            if not self._stored.done():
                self._stored.set_exception(error)
            if not isinstance(error, EngineError):
                log.exception("the server could not start")
                error = EngineDead(reason=str(error))
            self._loaded.set_exception(error)
        finally:
            connection.close()

    def _load(self) -> None:
        began = monotonic()
        if not self.config.supervised:
            lock.acquire(self.config.data)
        self._claim_database()
        self.computer = computer_id(self.config.data)
        bring_up_to_date()
        self._held = hold_open()
        further = self.heart.left_behind() if self.heart is not None and services.any_unfinished() else None
        if interrupted := services.recover_interrupted(further):
            log.warning("%d answers were cut off when the server last ended; they can be continued", interrupted)
        self._stored.set_result(None)
        self.timings["database"] = monotonic() - began
        step = monotonic()
        engine = self.pool.begin(self.pool.default).result()
        self.timings["model"] = monotonic() - step
        self.timings |= getattr(engine, "timings", {})
        self._loaded.set_result(engine)
        if self.heart is None:
            self.reach.follow()

    def _claim_database(self) -> None:
        """Before anything is written. An engine process waits here until the one before it is gone."""
        use = database_use.hold("server" if self.heart is None else "engine", self.heart.id if self.heart else "")
        if self.heart is not None:
            self.heart.acquire()
        if use is not None:
            if self.heart is not None:
                wait_s = database_use.TAKE_OVER_S if self.heart.before else database_use.WAIT_S
                use.acquire(database_use.ENGINE, replaces={self.heart.before} - {""}, wait_s=wait_s)
            use.keep(self.database_lost)

    def _end_for(self, error: InUse) -> None:
        self.error = error
        signal.raise_signal(signal.SIGTERM)

    def _at_exit(self) -> None:
        """Daphne and runserver end without a word to the application: what still runs is made final here, as after a crash."""
        if self.stopped or not self._stored.done() or self._stored.exception() is not None:
            return
        self.reach.close()
        self._publisher.stop()
        try:
            self.runs.save_now()
        except Exception:
            log.exception("running answers could not be saved at the end; they are recovered at the next start")
        finally:
            connection.close()
            self._let_database_go()
            self._publisher.join()

    def _let_database_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()
