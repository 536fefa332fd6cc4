from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from chat import services
from chat.models import Device, Owner, Run
from inference.errors import BrokenModel, EngineDead, EngineError
from inference.fake import FakeEngine
from llmsite import lock
from llmsite.runtime import Runtime


@pytest.fixture
def runtime(tmp_path: Path, transactional_db: None) -> Runtime:
    return Runtime(dataclasses.replace(settings.CONFIG, data=tmp_path), build=lambda config, model: FakeEngine(name=model.name))


async def test_it_loads_once_and_ends(runtime: Runtime) -> None:
    runtime.begin()
    runtime.begin()
    await runtime.stored()
    engine = await runtime.ready()
    assert (runtime.state, engine.info.name) == ("ready", "fake")
    assert {"database", "model"} <= set(runtime.timings)
    await runtime.shutdown()
    await runtime.shutdown()
    lock.acquire(runtime.config.data)
    lock.release(runtime.config.data)


def test_what_a_crash_left_is_cleared_up_before_anybody_is_served(runtime: Runtime) -> None:
    device = Device.objects.create(owner=Owner.objects.create())
    new = services.send(device=device, content="one")
    runtime.begin()
    assert runtime.wait(20)
    assert Run.objects.get(id=new.run).finish_reason == "interrupted"
    asyncio.run(runtime.shutdown())


@pytest.mark.parametrize(("error", "told"), [(BrokenModel(path="x", reason="no"), BrokenModel), (ValueError("odd"), EngineDead)])
async def test_a_model_that_cannot_load_is_told_to_whoever_waits(runtime: Runtime, error: Exception, told: type[EngineError]) -> None:
    def build(config: Any, model: Any) -> FakeEngine:
        raise error

    runtime = Runtime(runtime.config, build=build)
    runtime.begin()
    await runtime.stored()
    with pytest.raises(told):
        await runtime.ready()
    assert runtime.state == "failed"
    assert runtime.error is error
    await runtime.shutdown()


async def test_where_it_cannot_start_everybody_gets_503(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(data: Path) -> None:
        raise OSError("the data folder is in use")

    monkeypatch.setattr(lock, "acquire", locked)
    runtime.begin()
    runtime.wait(20)
    monkeypatch.setattr(Runtime, "begin", lambda self: None)  # importing the application would load its own
    from llmsite import asgi

    monkeypatch.setattr(asgi, "runtime", runtime)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asgi.application({"type": "http"}, None, send)  # type: ignore[arg-type]
    await asgi.application({"type": "websocket"}, None, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body", "websocket.close"]
    assert sent[0]["status"] == 503
    assert b"the data folder is in use" in sent[1]["body"]
