"""What lives as long as a web process: no model and no run, but the link to the engine process that has them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket
from collections.abc import Coroutine
from typing import Any

from chat import metrics
from chat.cluster.bus import Bus, BusDown
from chat.cluster.messages import EngineAway
from chat.cluster.remote_calls import RemoteCalls, RemoteEmbeddings
from chat.cluster.remote_runs import RemoteRuns
from chat.cluster.web_link import WebLink
from inference.types import LoadProgress
from llmsite import database_use
from llmsite.config import Config
from llmsite.database_use import InUse
from llmsite.network import Address
from llmsite.reach import Reach
from llmsite.runtime import State
from llmsite.serve.mdns import Publisher

log = logging.getLogger(__name__)

SOON_S = 10.0
"""How long whoever comes first waits until it is known whether there is an engine process."""
ANSWER_S = 5.0
"""How long a page waits for what the engine process says of its models."""


class WebRuntime:
    """What llmsite.runtime.Runtime is to a server of one process."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.instance = config.instance or secrets.token_hex(8)
        self.link = WebLink(Bus(config.redis_url))
        self.runs = RemoteRuns(self.link)
        self.calls = RemoteCalls(self.link)
        self.embeddings = RemoteEmbeddings(self.link, list(config.embeddings))
        self.reach = Reach(self.instance)
        self._publisher = Publisher()
        if config.mdns:
            self.reach.told.append(self._publisher.publish)
            self.link.own_name = lambda: self._publisher.name
        self.link.figures = lambda: metrics.figures(None)
        self.link.clearing_up = database_use.clearing_up
        self.link.process = config.process_name or f"web {socket.gethostname()}:{config.port}"
        self._models: dict[str, list[dict[str, Any]]] = {}
        """As they were heard of last, by language."""
        self.error: BaseException | None = None
        """Why this process ends."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waited = self.stopped = False

    # --- its life ---

    def begin(self) -> None:
        """Nothing is loaded here."""

    def start_up(self) -> None:
        """On the event loop that serves. Idempotent."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self.link.start()
            self.reach.follow()

    async def stored(self) -> None:
        """Returns once it is known whether there is an engine process. Raises InUse where a server of one process has the database."""
        self.start_up()
        if self._waited:
            return
        if (use := await asyncio.to_thread(database_use.hold, "web", self.link.id)) is not None:
            use.keep(self._end_for)
        try:
            await asyncio.wait_for(self.link.looked(), SOON_S)
        except TimeoutError:
            log.warning("Redis has said nothing yet: serving without the engine process")
        self._waited = True

    async def shutdown(self) -> None:
        """Runs go on in the engine process. Idempotent."""
        if self.stopped:
            return
        self.stopped = True
        self.reach.close()
        self._publisher.stop()
        await self.link.stop()
        await asyncio.to_thread(self._publisher.join)
        await asyncio.to_thread(database_use.let_go)

    def _end_for(self, error: InUse) -> None:
        self.error = error
        signal.raise_signal(signal.SIGTERM)

    # --- the engine process ---

    @property
    def computer(self) -> str:
        """The id of the data folder that the engine process has."""
        return str(self.link.status.get("computer") or "")

    @property
    def began_at(self) -> int:
        return int(self.link.status.get("began_at", 0))

    @property
    def state(self) -> State:
        """Of the default model; "loading" as well while another engine process is awaited."""
        found: State = self.link.status.get("state", "loading") if self.link.engine is not None else "loading"
        return found

    @property
    def progress(self) -> LoadProgress:
        if self.link.engine is None:
            return LoadProgress("starting")
        return LoadProgress(self.link.status.get("step", "starting"), self.link.status.get("fraction"))

    @property
    def default_model(self) -> str:
        return str(self.link.status.get("default_model", ""))

    async def check(self) -> None:
        """Raises the EngineError that the default model fails with, EngineAway."""
        await self.link.ask("check")

    def models(self, language: str = "en") -> list[dict[str, Any]]:
        """From any thread but the event loop's. While the engine process is away: those that there were."""
        try:
            self._models[language] = self._wait(self.link.ask("models", language=language))
        except (EngineAway, TimeoutError):
            away = {"state": "loading", "progress": None, "why": ""}
            return [model | away for model in self._models.get(language, [])]
        return self._models[language]

    def backends(self, language: str = "en") -> list[dict[str, Any]]:
        """From any thread but the event loop's. Nobody knows while the engine process is away."""
        try:
            return list(self._wait(self.link.ask("backends", language=language)))
        except (EngineAway, TimeoutError):
            return []

    def model_name(self, asked: str) -> str:
        """From any thread but the event loop's. Raises NoModel, EngineAway."""
        try:
            return str(self._wait(self.link.ask("name", name=asked)))
        except TimeoutError:
            raise EngineAway from None

    def metrics(self) -> str:
        """Of all processes of the server; of this one alone while Redis is away. From any thread but the event loop's."""
        try:
            return metrics.together(self._wait(self.link.figures_of_all()))
        except (EngineAway, BusDown, TimeoutError):
            return metrics.together({self.link.process: metrics.figures(None)})

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._loop is None:
            work.close()
            raise EngineAway
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_S)

    # --- where phones reach it ---

    @property
    def address_name(self) -> str:
        """The .local name, by whichever process it is published."""
        return self._publisher.name or self.link.name

    def phone_addresses(self, port: int) -> list[Address]:
        return self.reach.at(port)

    def known_addresses(self) -> list[Address]:
        return self.reach.good

    def phone_urls(self, port: int) -> list[str]:
        return [address.url(port, "") for address in self.phone_addresses(port)]
