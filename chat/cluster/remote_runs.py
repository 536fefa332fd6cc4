"""The runs of the engine process, as a web process's sockets watch them: each is mirrored in a RunLog of the same numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from chat import selectors
from chat.cluster import messages
from chat.cluster.messages import EngineAway, Json
from chat.cluster.web_link import WebLink
from chat.database import in_database
from chat.identity import Client
from chat.liverun import StoredRun, Watched
from chat.models import Run
from chat.protocol import Error, Queued
from chat.runlog import RunLog
from chat.runs import Rejected, Submission, Submitted
from chat.sentences import sentence
from chat.services import SystemSet

log = logging.getLogger(__name__)


class RemoteRun:
    """A run that lives in the engine process."""

    def __init__(self, run: UUID, conversation: UUID, owner: UUID) -> None:
        self.log = RunLog(run)
        self.place: Queued | None = None
        self.owner = owner
        self._conversation = conversation
        self._listeners: set[Callable[[], None]] = set()

    @property
    def conversation(self) -> UUID:
        return self._conversation

    def listen(self, wake: Callable[[], None]) -> None:
        self._listeners.add(wake)

    def unlisten(self, wake: Callable[[], None]) -> None:
        self._listeners.discard(wake)

    def take(self, update: Json) -> bool:
        """What is new in it. False when something before it is missing: then it is to be asked for anew."""
        mine = self.log
        if mine.end is not None:
            return True
        if (place := messages.place_in(update)) is not None and mine.start is None:
            self.place = place
        if (start := messages.start_in(update)) is not None and mine.start is None:
            self.place, mine.start = None, start
        if "pieces" in update:
            behind = len(mine.pieces) - update["from"]
            if behind < 0 or mine.start is None:
                return False
            mine.pieces += messages.unpacked(update["pieces"][behind:])
        if (end := messages.end_in(update)) is not None:
            if mine.start is None or end.seq != len(mine.pieces) + 1:
                return False
            mine.error, mine.end = messages.error_in(update), end
        self._wake()
        return True

    def become(self, stored: RunLog) -> None:
        """It is over, and this is what is stored of it."""
        self.place, self.log = None, stored
        self._wake()

    def _wake(self) -> None:
        for wake in tuple(self._listeners):
            wake()


class RemoteRuns:
    """`chat.runs.Runs` of a web process."""

    def __init__(self, link: WebLink) -> None:
        self._link = link
        self.live: dict[UUID, RemoteRun] = {}
        self._stale: set[UUID] = set()
        """Those of which something was missed."""
        link.told_of_runs = self._take
        link.missed = self._missed
        link.settle = self._settle

    async def submit(self, frame: Submission, client: Client, language: str, conversation: UUID | None = None) -> Submitted:
        said = {"client": messages.client_said(client), "frame": frame.wire(), "language": language}
        try:
            found = await self._link.ask("submit", take=self._heard, conversation=conversation.hex if conversation else None, **said)
        except EngineAway as away:
            raise Rejected(_away(away, language, frame.key)) from away
        if isinstance(found, RemoteRun):
            return found
        if "system" in found:
            return SystemSet(*map(UUID, found["system"]))
        return await self._stored(UUID(found["stored"]), client, language)

    async def watch(self, run: UUID, client: Client, language: str) -> Watched:
        """A run of the client's owner. Raises Rejected."""
        mirror = self.live.get(run)
        if mirror is not None and mirror.owner == client.owner:
            return mirror
        row = await in_database(selectors.find_run, device=client.device, run=run)
        if row is None:
            raise Rejected(Error(code="no_run", message=sentence("no_run", language), run=run))
        if row.status == Run.Status.DONE:
            return await self._stored(run, client, language)
        try:
            found = await self._link.ask("watch", take=self._heard, run=run.hex, owner=client.owner.hex)
        except EngineAway:
            # It is shown when the engine process is back, or what it left has been made final.
            mirror = self.live.setdefault(run, RemoteRun(run, row.message.conversation_id, client.owner))
            self._stale.add(run)
            return mirror
        return found if isinstance(found, RemoteRun) else await self._stored(run, client, language)

    def stop_now(self, run: UUID, client: Client | None) -> bool:
        mirror = self.live.get(run)
        if mirror is None or client is None or mirror.owner != client.owner:
            return False
        self._link.send("stop", run=run.hex, client=messages.client_said(client))
        return True

    # --- mirroring ---

    def _heard(self, found: Json) -> RemoteRun | Json:
        """An answer is here: the run that it tells of is mirrored from now on. Anything else stays as it is."""
        if "update" not in found:
            return found
        run = UUID(found["run"])
        mirror = self.live.get(run)
        if mirror is None:
            mirror = self.live[run] = RemoteRun(run, UUID(found["conversation"]), UUID(found["owner"]))
        self._apply(mirror, found["update"])
        return mirror

    def _take(self, runs: dict[str, Json]) -> None:
        if not self.live:
            return
        for run, update in runs.items():
            if (mirror := self.live.get(UUID(run))) is not None:
                self._apply(mirror, update)

    def _apply(self, mirror: RemoteRun, update: Json) -> None:
        if not mirror.take(update):
            self._stale.add(mirror.log.run)
        if mirror.log.end is not None:
            self._over(mirror)

    def _over(self, mirror: RemoteRun) -> None:
        self.live.pop(mirror.log.run, None)
        self._stale.discard(mirror.log.run)

    def _missed(self) -> None:
        self._stale.update(self.live)

    async def _settle(self) -> None:
        """Ask for the runs of which something was missed: of the engine process, and where that has them no more, of the database."""
        for run in tuple(self._stale):
            mirror = self.live.get(run)
            if mirror is None:
                self._stale.discard(run)
            elif self._link.engine is not None:
                await self._ask_again(run, mirror)
            elif (stored := await in_database(_log_of_done, run)) is not None:
                mirror.become(stored)
                self._over(mirror)

    async def _ask_again(self, run: UUID, mirror: RemoteRun) -> None:
        self._stale.discard(run)
        try:
            found = await self._link.ask("watch", take=self._heard, run=run.hex, owner=mirror.owner.hex)
        except Exception:
            self._stale.add(run)
            raise
        if isinstance(found, RemoteRun):
            return
        if (stored := await in_database(_log_of_done, run)) is not None:
            mirror.become(stored)
            self._over(mirror)
        else:
            self._stale.add(run)

    async def _stored(self, run: UUID, client: Client, language: str) -> StoredRun:
        row = await in_database(_stored_log, client, run)
        if row is None:
            raise Rejected(Error(code="no_run", message=sentence("no_run", language), run=run))
        return StoredRun(row)


def _stored_log(client: Client, run: UUID) -> RunLog | None:
    row = selectors.find_run(device=client.device, run=run)
    return selectors.stored_log(row) if row is not None else None


def _log_of_done(run: UUID) -> RunLog | None:
    row = Run.objects.select_related("message").filter(id=run, status=Run.Status.DONE).first()
    return selectors.stored_log(row) if row is not None else None


def _away(error: EngineAway, language: str, key: str | None) -> Error:
    params: dict[str, Any] = error.params
    return Error(code=error.code, message=sentence(error.code, language, str(error), **params), retryable=True, key=key)
