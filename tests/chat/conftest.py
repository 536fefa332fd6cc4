from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chat.identity import Client
from chat.models import Device, Owner
from chat.runs import RunManager
from inference.engine import Engine
from inference.errors import NoModel
from inference.fake import FakeEngine


def make_client(name: str = "phone") -> Client:
    owner = Owner.objects.create(name=name)
    device = Device.objects.create(owner=owner, name=name)
    return Client(device, str(device.id))


@pytest.fixture
def client(transactional_db: None) -> Client:
    return make_client()


@pytest.fixture
def stranger(transactional_db: None) -> Client:
    return make_client("stranger")


@pytest.fixture
async def engine() -> FakeEngine:
    engine = FakeEngine(delay_s=0.001)
    await engine.start(lambda progress: None)
    return engine


class OneModel:
    """Keeps chat.runs.Models: one model, named as its engine, there from the start or once `load` has returned it."""

    def __init__(self, engine: FakeEngine | None, load: Callable[[], Awaitable[Engine]] | None = None) -> None:
        self.engine = engine
        self.load = load

    def name_of(self, asked: str) -> str:
        if asked in ("", "fake"):
            return "fake"
        raise NoModel(name=asked, known="fake")

    def ready(self) -> dict[str, Engine]:
        return {"fake": self.engine} if self.engine else {}

    @asynccontextmanager
    async def use(self, name: str, since: float) -> AsyncIterator[Engine]:
        if self.load is not None:
            yield await self.load()
        else:
            assert self.engine is not None
            yield self.engine


@pytest.fixture
async def runs(engine: FakeEngine, transactional_db: None) -> AsyncIterator[RunManager]:
    manager = RunManager(OneModel(engine))
    yield manager
    await manager.shutdown()
