"""Two local models on one server, of which only one stays loaded: each answer comes from the right one, whatever is switched, stopped or killed."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM
from typing import Any
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client, Refused, RunView
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store
from tests.inference.tiny_models import PLAIN, save_model

pytestmark = pytest.mark.process

GREEDY: dict[str, Any] = {"temperature": 0, "repetition_penalty": 1.0, "max_tokens": 40}
QUESTION = "Hello, how are you?"
WIDE: dict[str, Any] = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8}


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, Path]:
    return {name: save_model(folder / name, template=PLAIN, seed=seed) for seed, name in enumerate(("one", "other"), 5)} | {
        "wide": save_model(folder / "wide", "llama", template=PLAIN, **WIDE)
    }


def settings(models: dict[str, Path]) -> str:
    tables = "".join(f'[models.{name}]\npath = "{path}"\n' for name, path in models.items())
    far = '[models.far]\nengine = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
    return f'[model]\ndefault = "one"\nkeep_loaded = 1\n{tables}{far}'


def make(folder: Path, models: dict[str, Path], kind: Any = "uvicorn") -> Server:
    server = Server(kind, folder / f"models-{uuid4().hex[:8]}", model="one")
    server.data.mkdir(parents=True)
    (server.data / "llmsite.toml").write_text(settings(models), encoding="utf-8")
    return server


@pytest.fixture(scope="module")
def shared(folder: Path, models: dict[str, Path]) -> Iterator[Server]:
    server = make(folder, models)
    try:
        yield server.start()
        server.check_log()
    finally:
        server.kill()


@pytest.fixture
def fresh_one(folder: Path, models: dict[str, Path]) -> Iterator[Server]:
    server = make(folder, models, "serve")
    try:
        yield server
        server.check_log()
    finally:
        server.kill()


def get(server: Server, path: str) -> Any:
    with urllib.request.urlopen(f"{server.http}{path}", timeout=20) as answer:
        return json.load(answer)


def states(server: Server) -> dict[str, str]:
    return {model["name"]: model["state"] for model in get(server, "/api/models")}


def model_of(run: RunView) -> str:
    assert run.start is not None
    return str(run.start["model"])


async def test_the_right_one_answers_while_three_people_switch(shared: Server) -> None:
    async with Client(shared) as first, Client(shared) as second, Client(shared) as third:
        alone = {name: (await first.ask(QUESTION, model=name, options=GREEDY)).answer for name in ("one", "other")}
        assert alone["one"] != alone["other"]
        clients = [first, second, third]
        asked = [(name, client, await client.say(QUESTION, model=name, options=GREEDY)) for name in ("one", "other") * 3 for client in clients]
        for name, client, run in asked:
            await client.finish(run)
            assert (model_of(run), run.answer) == (name, alone[name])
            assert Store(shared).run(run.run).answer == run.answer
    ready = {name for name, state in (await asyncio.to_thread(states, shared)).items() if state == "ready"}
    assert len(ready & {"one", "other", "wide"}) == 1
    assert (await asyncio.to_thread(get, shared, "/healthz"))["status"] == "ready", "also while the default one has made room"


async def test_stop_resume_and_continue_go_across_a_switch(shared: Server) -> None:
    async with Client(shared) as client, Client(shared) as watcher:
        run = await client.say(QUESTION, model="other", options=GREEDY | {"max_tokens": 900})
        await client.pieces(run, 5)
        await client.send(type="stop", run=run.run)
        await client.finish(run)
        assert run.reason in ("stopped", "stop", "length")
        assert run.start is not None
        one = await client.ask("and now?", model="one", conversation=run.conversation, options=GREEDY)
        assert model_of(one) == "one"

        view = await watcher.finish(await watcher.resume(run.run, -1))
        assert (view.answer, model_of(view)) == (run.answer, "other")

        cut = await client.ask(QUESTION, model="other", options=GREEDY | {"max_tokens": 5})
        assert cut.reason == "length"
        assert cut.start is not None
        await client.ask("elsewhere", model="one", options=GREEDY)  # and so the other one is not loaded any more
        rest = await client.finish(await client.submit(type="continue", message=cut.message, options=GREEDY | {"max_tokens": 10}))
        assert rest.start is not None
        assert (model_of(rest), rest.start["content"]) == ("other", cut.answer)
        assert rest.answer.startswith(cut.answer)
        whole = await client.ask(QUESTION, model="other", options=GREEDY | {"max_tokens": 15})
        assert whole.answer.startswith(cut.answer)


async def test_stop_while_it_loads_and_ask_again(shared: Server) -> None:
    async with Client(shared) as client:
        await client.ask("x", model="one", options=GREEDY)
        run = await client.say("x", model="wide", options=GREEDY)
        await client.send(type="stop", run=run.run)
        await client.finish(run)
        assert run.reason in ("stopped", "stop", "length")
        assert model_of(run) == "wide"
        again = await client.ask("x", model="wide", options=GREEDY)
        assert (model_of(again), again.reason in ("stop", "length")) == ("wide", True)


async def test_one_that_cannot_answer_fails_alone(shared: Server, models: dict[str, Path]) -> None:
    async with Client(shared) as client:
        far, here = await client.say("x", model="far"), await client.say("x", model="one", options=GREEDY)
        await client.finish(far)
        assert (far.reason, far.error["code"] if far.error else "") == ("error", "backend_unreachable")
        assert (await client.finish(here)).reason in ("stop", "length")
        with pytest.raises(Refused) as refused:
            await client.say("x", model="nix")
        assert refused.value.code == "no_model"
        told = await asyncio.to_thread(get, shared, "/api/models")
    assert next(model for model in told if model["name"] == "far")["state"] == "failed"
    assert str(models["one"].parent) not in json.dumps(told)


async def test_killed_while_a_model_loads(fresh_one: Server) -> None:
    server = fresh_one.start()
    async with Client(server) as client:
        run = await client.say(QUESTION, model="wide", options=GREEDY)
        server.kill()
        await client.gone()
        assert run.end is None
        await server.start_again()
        await client.connect()
        await client.finish(await client.resume(run.run))
        assert run.reason == "interrupted"
        stored = Store(server).run(run.run)
        assert stored.answer == run.answer
        more = await client.finish(await client.submit(type="continue", message=run.message, options=GREEDY))
        assert (model_of(more), more.reason in ("stop", "length")) == ("wide", True)
        assert more.answer


async def test_stopped_politely_while_a_model_loads(fresh_one: Server) -> None:
    server = fresh_one.start()
    async with Client(server) as client:
        run = await client.say(QUESTION, model="wide", options=GREEDY | {"max_tokens": 900})
        began = time.monotonic()
        assert await server.end(SIGTERM) == 0
        assert time.monotonic() - began < 10, "the loading is not waited for"
    if Store(server).run(run.run).status != "done":  # a machine so busy that the end came before it was stored: the next start does it
        await server.start_again()
    assert Store(server).run(run.run).finish_reason == "interrupted"
