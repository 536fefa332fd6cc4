from __future__ import annotations

import asyncio
import dataclasses
import json
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings

from chat import services
from chat.health import healthz
from chat.models import Device, Owner, Run
from inference.errors import BrokenModel, EngineDead, EngineError
from inference.fake import FakeEngine
from llmsite import lock
from llmsite.computer import computer_id
from llmsite.config import BackendConfig, ModelConfig
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


async def health(runtime: Runtime, caller: tuple[str, dict[str, str]] = ("192.168.1.8", {}), **query: str) -> tuple[int, dict[str, Any]]:
    address, sent = caller
    headers = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1:8000", **sent}.items()]
    scope = {"state": {"runtime": runtime}, "client": (address, 1234), "headers": headers, "http_version": "1.1"}
    request: Any = SimpleNamespace(scope=scope, GET=query)
    answer = await healthz(request)
    return answer.status_code, json.loads(answer.content)


async def test_who_answers_is_said_whatever_the_model_does(runtime: Runtime) -> None:
    runtime.begin()
    await runtime.ready()
    _, body = await health(runtime)
    runtime._loaded = Future()  # as while it loads
    assert (await health(runtime))[0] == 503
    status, who = await health(runtime, who="")
    same = {"computer", "instance", "protocol", "name"}
    assert (status, who) == (200, {"status": "loading"} | {name: body[name] for name in same})
    assert who["computer"] == computer_id(runtime.config.data)
    await runtime.shutdown()


async def test_how_the_servers_behind_a_model_are_is_for_the_computers_own_programs(tmp_path: Path, transactional_db: None) -> None:
    backends = tuple(BackendConfig(f"http://{name}:1/v1", name=name) for name in ("left", "right"))
    models = {"both": ModelConfig(name="both", engine="openai", model="m", backends=backends)}
    runtime = Runtime(dataclasses.replace(settings.CONFIG, data=tmp_path, models=models), build=lambda config, model: FakeEngine(name=model.name))
    runtime.begin()
    await runtime.ready()
    _, mine = await health(runtime, ("127.0.0.1", {}))
    assert [(one["name"], one["state"]) for one in mine["backends"]] == [("left", "unasked"), ("right", "unasked")]
    passed_on = ("127.0.0.1", {"x-forwarded-for": "192.168.1.8"})
    for stranger in (("192.168.1.8", {}), ("203.0.113.9", {"authorization": "Bearer x"}), passed_on, ("127.0.0.1", {"host": "evil.example"})):
        _, theirs = await health(runtime, stranger)
        assert theirs == {name: value for name, value in mine.items() if name != "backends"}
    assert "backends" not in (await health(runtime, ("127.0.0.1", {}), who=""))[1]
    await runtime.shutdown()


async def test_a_default_model_that_makes_room_for_another_is_still_served(tmp_path: Path, transactional_db: None) -> None:
    models = {"other": ModelConfig(name="other", engine="fake")}
    config = dataclasses.replace(settings.CONFIG, data=tmp_path, model="fake", models=models, keep_loaded=1)
    runtime = Runtime(config, build=lambda config, model: FakeEngine(name=model.name))
    status, body = await health(runtime)
    assert (status, body["status"]) == (503, "loading")
    runtime.begin()
    await runtime.ready()
    assert runtime.engine is not None
    async with runtime.pool.use("other"):
        assert runtime.engine is None
        states = {model["name"]: model["state"] for model in runtime.models()}
        assert (states["fake"], states["other"]) == ("idle", "ready")
        status, body = await health(runtime)
        assert (status, body["status"], body["model"]) == (200, "ready", "fake")
    async with runtime.pool.use(runtime.model_name("Fake")) as engine:
        assert runtime.engine is engine
    assert runtime.model_name("") == ""
    await runtime.shutdown()


async def test_a_default_model_that_failed_is_tried_again_when_it_is_asked(tmp_path: Path, transactional_db: None) -> None:
    failures: list[EngineError] = [BrokenModel(path=str(tmp_path / "fake"), reason="not yet whole.")]

    def build(config: Any, model: ModelConfig) -> FakeEngine:
        if failures:
            raise failures.pop()
        return FakeEngine(name=model.name)

    runtime = Runtime(dataclasses.replace(settings.CONFIG, data=tmp_path, model="fake", models={}), build=build)
    runtime.begin()
    with pytest.raises(BrokenModel):
        await runtime.ready()
    assert ((await health(runtime))[0], runtime.state) == (503, "failed")
    assert runtime.models()[0]["why"] == "The model in fake cannot be loaded: not yet whole."
    assert str(tmp_path) in str(runtime.error), "the terminal is told where"
    async with runtime.pool.use("fake"):
        assert ((await health(runtime))[0], runtime.state) == (200, "ready")
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
