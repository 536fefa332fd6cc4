"""A web process and the engine process on a real Redis: what is said of a run arrives, however far behind the web process reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from chat.cluster.bus import LOG, Bus, inbox_of
from chat.cluster.engine_link import EngineLink
from chat.cluster.remote_runs import RemoteRun, RemoteRuns
from chat.cluster.web_link import WebLink
from chat.identity import Client
from chat.liverun import LiveRun
from chat.models import Device
from chat.protocol import SendMessage
from inference.types import Delta
from tests.chat.cluster.test_remote_runs import end, living, same
from tests.redis import Redis


class LateBus(Bus):
    """Reads only while it may."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.waits = asyncio.Event()

    async def read(self, positions: Any, block_ms: int = 20) -> list[tuple[str, str, Any]]:
        if not self.may_read.is_set():
            self.waits.set()
            await self.may_read.wait()
        return await super().read(positions, 20)


class Runs:
    """Each run is answered in the moment after it has begun."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.live: dict[Any, LiveRun] = {}
        self.over = asyncio.Event()

    async def submit(self, *asked: Any) -> LiveRun:
        self.run = run = living()
        self.live[run.new.run] = run
        for tell in self.begun:
            tell(run)
        asyncio.get_running_loop().call_later(0.02, self._answer)
        return run

    def _answer(self) -> None:
        answer(self.run)
        self.over.set()


def answer(run: LiveRun) -> None:
    run.begin("fake", None)
    run.add(Delta("echo", "answer"))
    end(run)
    run.changed()


def engine_link(bus: Bus, runs: Any) -> EngineLink:
    return EngineLink(bus, "one", runs=runs, calls=SimpleNamespace(live=()), serving=SimpleNamespace())  # type: ignore[arg-type]


@pytest.fixture
async def buses(redis: Redis) -> AsyncIterator[tuple[Bus, LateBus]]:
    engine, web = Bus(redis.url(7)), LateBus(redis.url(7))
    yield engine, web
    await engine.close()
    await web.close()


async def test_a_run_that_is_over_before_the_web_process_has_read_of_its_beginning(buses: tuple[Bus, LateBus]) -> None:
    runs, late = Runs(), buses[1]
    engine, web = engine_link(buses[0], runs), WebLink(late)
    remote = RemoteRuns(web)
    web.engine = engine.id
    works = [link._writer.run() for link in (engine, web)] + [link._read_for_ever() for link in (engine, web)]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        async with asyncio.timeout(30):
            await asyncio.sleep(0.1)  # until it reads
            late.may_read.clear()
            await late.waits.wait()
            asked = asyncio.create_task(remote.submit(SendMessage(message="x"), Client(Device(id=uuid4(), owner_id=uuid4()), "phone"), "en"))
            await runs.over.wait()
            await engine._writer.drained()
            late.may_read.set()
            mirror = await asked
            assert isinstance(mirror, RemoteRun)
            assert same(mirror, runs.run)
            assert remote.live == {}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_answer_says_of_a_run_all_that_the_log_has_said_before() -> None:
    """What the run comes to while the answer waits to be written may be in the log by then."""
    run = living()
    runs = SimpleNamespace(begun=[], live={run.new.run: run})
    bus = Bus("redis://127.0.0.1:1/0")
    link = engine_link(bus, runs)
    runs.begun[0](run)
    link._post("web", {"id": "1", "ok": await link._watch({"run": run.new.run.hex, "owner": run.client.owner.hex})})
    answer(run)
    entries = link._collect()
    assert [entry.stream for entry in entries] == [inbox_of("web"), LOG]
    said, logged = (json.loads(entry.body) for entry in entries)
    assert "end" in said["ok"]["update"]
    assert said["ok"]["update"] == logged["runs"][run.new.run.hex]
    await bus.close()
