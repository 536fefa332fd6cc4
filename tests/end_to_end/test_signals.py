"""Ctrl-C and a polite kill: running answers end as interrupted, with all their text, whatever serves."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from uuid import uuid4

import psutil
import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.server import Kind
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("serve", signal.SIGINT),
        ("serve", signal.SIGTERM),
        ("uvicorn", signal.SIGINT),
        ("uvicorn", signal.SIGTERM),
        ("daphne", signal.SIGINT),
        ("daphne", signal.SIGTERM),
        ("runserver", signal.SIGINT),
    ],
)
async def test_running_answers_are_saved_whole(fresh: FreshServer, kind: Kind, number: signal.Signals) -> None:
    server = fresh(kind).start()
    client = await Client(server).connect()
    runs = [await client.say("!say 900", conversation=str(uuid4())) for _ in range(3)]
    waiting = await client.say("and?", conversation=runs[0].conversation)
    for run in runs:
        await client.pieces(run, 12)
    code = await server.end(number)
    await client.gone()

    store = Store(server)
    assert store.run(waiting.run).finish_reason == "interrupted"
    for run in runs:
        stored = store.run(run.run)
        assert (stored.status, stored.finish_reason, stored.events) == ("done", "interrupted", 0)
        assert stored.answer.startswith(run.answer), "text that the client saw is not stored"
        assert run.end is None or (run.reason, run.answer) == ("interrupted", stored.answer)
    assert code in ((0,) if kind == "serve" else (0, -number, 128 + number))


async def test_a_busy_computer_has_the_time_to_save(fresh: FreshServer) -> None:
    """Django's reloader kills the process that serves a quarter of a second after Ctrl-C, saved or not."""
    server = fresh("runserver").start()
    client = await Client(server).connect()
    run = await client.pieces(await client.say("!say 900", conversation=str(uuid4())), 12)
    assert server.process is not None
    serving = psutil.Process(server.process.pid).children(recursive=True)
    for process in serving:
        process.suspend()
    ending = asyncio.create_task(server.end(signal.SIGINT))
    await asyncio.sleep(1)
    for process in serving:
        with suppress(psutil.NoSuchProcess):
            process.resume()
    await ending
    await client.gone()
    stored = Store(server).run(run.run)
    assert (stored.status, stored.finish_reason) == ("done", "interrupted")
    assert stored.answer.startswith(run.answer)


async def test_the_next_start_goes_on_where_it_ended(fresh: FreshServer) -> None:
    server = fresh("serve").start()
    async with Client(server) as client:
        run = await client.pieces(await client.say("!say 70", conversation=str(uuid4())), 12)
        await server.end(signal.SIGTERM)
    await server.start_again()
    async with Client(server) as later:
        rest = await later.finish(await later.submit(type="continue", message=run.message))
    assert rest.answer == "".join(f"w{i} " for i in range(70))
    assert "cut off when the server last ended" not in server.log(), "it was saved by the end, not by the recovery after it"
