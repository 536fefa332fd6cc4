from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.identity import Client
from chat.models import Device, Owner
from chat.runs import RunManager
from inference.engine import Engine
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


@pytest.fixture
async def runs(engine: FakeEngine, transactional_db: None) -> AsyncIterator[RunManager]:
    async def ready() -> Engine:
        return engine

    manager = RunManager(ready)
    yield manager
    await manager.shutdown()
