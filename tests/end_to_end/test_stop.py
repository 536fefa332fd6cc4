"""Stop ends a run, wherever it is, and keeps its text."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process


async def test_a_running_answer_stops_and_keeps_its_text(server: Server) -> None:
    async with Client(server) as client:
        run = await client.say("!say 1000")
        await client.pieces(run, 5)
        await client.send(type="stop", run=run.run)
        await client.finish(run)
        assert run.reason == "stopped"
        assert run.end is not None
        assert run.end["usage"]["completion_tokens"] == len(run.answer.split()) == run.seq - 1
        stored = Store(server).run(run.run)
        assert (stored.finish_reason, stored.answer) == ("stopped", run.answer)
        rest = await client.submit(type="continue", message=run.message, options={"max_tokens": 3})
        await client.finish(rest)
    assert rest.answer == "".join(f"w{i} " for i in range(len(run.answer.split()) + 3))


async def test_another_device_of_the_owner_stops_it(server: Server) -> None:
    async with Client(server) as client, Client(server) as other:
        run = await client.say("!say 1000")
        await client.pieces(run, 3)
        await other.send(type="stop", run=run.run)
        await client.finish(run)
    assert run.reason == "stopped"


async def test_a_stop_overtakes_what_waits_on_the_same_socket(server: Server) -> None:
    """It is sent behind many messages, and is not carried out behind them."""
    async with Client(server) as client:
        run = await client.say("!say 1000")
        await client.pieces(run, 3)
        keys = [uuid4().hex for _ in range(10)]
        for key in keys:
            await client.send_text(json.dumps({"message": "!say 2", "key": key}))
        await client.send(type="stop", run=run.run)
        await client.finish(run)
        assert run.reason == "stopped"
        for key in keys:
            await client.until(lambda key=key: key in client.by_key, "each message")  # type: ignore[misc]
            await client.finish(client.by_key[key])


async def test_stopping_twice_or_late_changes_nothing(server: Server) -> None:
    async with Client(server) as client:
        run = await client.ask("hi")
        for _ in range(2):
            await client.send(type="stop", run=run.run)
        await client.ping()
        assert (await client.ask("still there")).reason == "stop"
        assert client.count("error") == 0
    assert Store(server).run(run.run).finish_reason == "stop"


async def test_a_waiting_run_stops_without_having_begun(fresh: FreshServer) -> None:
    server = fresh(LLMSITE_MAX_STREAMS="1").start()
    async with Client(server) as client:
        running = await client.say("!say 1000", conversation=str(uuid4()))
        await client.pieces(running, 1)
        queued = await client.say("!say 5", conversation=str(uuid4()))
        behind = await client.say("never said", conversation=running.conversation)
        for run in (queued, behind):
            await client.send(type="stop", run=run.run)
            await client.finish(run)
            assert (run.reason, run.answer) == ("stopped", "")
        assert running.end is None
        await client.send(type="stop", run=running.run)
        await client.finish(running)
        assert (await client.ask("!say 2 after", conversation=running.conversation)).answer == "w0 w1 "
    assert [Store(server).run(run.run).question for run in (queued, behind)] == ["!say 5", "never said"]
