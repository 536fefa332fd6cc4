from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.core.asgi import get_asgi_application
from httpx2 import ASGITransport, AsyncClient, Response
from prometheus_client.parser import text_string_to_metric_families

from chat import metrics
from chat.identity import Client
from chat.protocol import SendMessage
from chat.runs import RunManager
from tests.chat.api import AWAY, HOME, Person, ask, pair

TOKEN = "a-token-of-the-owner"


async def read(*, host: str = HOME, **headers: str) -> Response:
    async with AsyncClient(transport=ASGITransport(get_asgi_application()), base_url=f"http://{host}", headers=headers) as client:
        return await client.get("/metrics")


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


async def test_this_computer_reads_them_in_prometheus_format(transactional_db: None) -> None:
    response = await read()
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert {"llmsite_runs", "llmsite_queue_seconds", "llmsite_http_requests", "llmsite_sockets_open", "llmsite_model_state"} <= set(families)
    (memory,) = families["llmsite_process_memory_bytes"].samples
    assert memory.value > 10_000_000


async def test_nobody_else_does(transactional_db: None, settings: Any) -> None:
    person = await _paired()
    for host, headers in [(AWAY, {}), (AWAY, {"authorization": f"Bearer {person.token}"}), (HOME, {"x-forwarded-for": "192.168.1.9"})]:
        response = await read(host=host, **headers)
        assert response.status_code == 403, headers
        assert "llmsite_" not in response.text.replace("LLMSITE_METRICS_TOKEN", "")


async def test_but_whoever_has_the_token(transactional_db: None, settings: Any) -> None:
    settings.CONFIG = replace(settings.CONFIG, metrics_token=TOKEN)
    assert (await read(host=AWAY, authorization=f"Bearer {TOKEN}")).status_code == 200
    for shown in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", "Bearer ", TOKEN, ""):
        assert (await read(host=AWAY, authorization=shown)).status_code == 403, shown


async def test_without_a_token_set_an_empty_one_opens_nothing(transactional_db: None) -> None:
    assert (await read(host=AWAY, authorization="Bearer ")).status_code == 403


async def test_an_answer_is_counted_when_it_is_over(runs: RunManager, client: Client) -> None:
    labels = {"model": "fake", "reason": "stop"}
    names = ("llmsite_completion_tokens_total", "llmsite_prompt_tokens_total", "llmsite_queue_seconds_count", "llmsite_first_token_seconds_count")
    before = value("llmsite_runs_total", **labels), [value(name, model="fake") for name in names]
    run = await runs.submit(SendMessage(message="!say 5"), client, "en")
    await run.over.wait()  # type: ignore[union-attr]
    assert value("llmsite_runs_total", **labels) == before[0] + 1
    completion, prompt, queue, first = (value(name, model="fake") - old for name, old in zip(names, before[1], strict=True))
    assert completion >= 5
    assert prompt > 0
    assert (queue, first) == (1, 1)


def test_a_run_that_never_began_has_no_times() -> None:
    metrics.run_ended("", "interrupted", {"completion_tokens": 0, "total_s": 0.2})
    assert value("llmsite_runs_total", model="none", reason="interrupted") >= 1
    assert value("llmsite_answer_seconds_count", model="none") >= 1
    assert value("llmsite_first_token_seconds_count", model="none") == 0


def test_the_time_of_a_token_is_the_reverse_of_tokens_per_second() -> None:
    before = value("llmsite_token_seconds_sum", model="m")
    metrics.run_ended("m", "stop", {"tokens_per_second": 40.0, "completion_tokens": 3})
    assert value("llmsite_token_seconds_sum", model="m") - before == pytest.approx(0.025)


async def test_requests_are_counted_by_pattern_not_by_address(transactional_db: None) -> None:
    labels = {"method": "GET", "route": "/api/conversations/<conversation>", "status": "404"}
    before = value("llmsite_http_requests_total", **labels)
    person = await _paired()
    for _ in range(3):
        await ask("GET", f"conversations/{uuid4()}", token=person.token)
    assert value("llmsite_http_requests_total", **labels) == before + 3
    await ask("GET", "nothing/here/at/all")
    await ask("GET", "../wp-login.php")
    await ask("GET", "../static/chat/no-such-file.js")
    routes = {sample.labels["route"] for family in metrics.REGISTRY.collect() if family.name == "llmsite_http_requests" for sample in family.samples}
    assert not [route for route in routes if "wp-login" in route or "nothing" in route or "no-such-file" in route]
    assert {"none", "static"} <= routes


async def test_a_made_up_method_is_other(transactional_db: None) -> None:
    before = value("llmsite_http_requests_total", method="other", route="/api/me", status="405")
    await ask("BREW", "me", host=HOME)
    assert value("llmsite_http_requests_total", method="other", route="/api/me", status="405") == before + 1


class StubRun:
    def __init__(self, started: bool) -> None:
        self.log = type("Log", (), {"start": object() if started else None})


class StubRuntime:
    def __init__(self) -> None:
        self.runs = type("Runs", (), {"live": {1: StubRun(True), 2: StubRun(False), 3: StubRun(False)}})
        calls = {4: type("Call", (), {"has_begun": True}), 5: type("Call", (), {"has_begun": False})}
        self.calls = type("Calls", (), {"live": calls})
        self.states = {"a": "ready", "b": "idle"}
        self.pool = self

    def models(self) -> list[dict[str, Any]]:
        return [{"name": name, "state": state} for name, state in self.states.items()]

    def view(self, name: str) -> Any:
        return type("View", (), {"info": type("Info", (), {"memory_bytes": 1234})})


def test_how_it_is_just_now() -> None:
    runtime = StubRuntime()
    metrics.look(runtime)
    assert (value("llmsite_runs_running"), value("llmsite_runs_queued")) == (2, 3), "runs and calls"
    assert value("llmsite_model_state", model="a", state="ready") == 1
    assert value("llmsite_model_memory_bytes", model="a") == 1234
    runtime.states = {"a": "idle", "b": "loading"}
    metrics.look(runtime)
    assert metrics.REGISTRY.get_sample_value("llmsite_model_state", {"model": "a", "state": "ready"}) is None, "a state that was"
    assert metrics.REGISTRY.get_sample_value("llmsite_model_memory_bytes", {"model": "a"}) is None
    assert value("llmsite_model_state", model="b", state="loading") == 1


async def _paired() -> Person:
    from asgiref.sync import sync_to_async

    return await sync_to_async(pair)()
