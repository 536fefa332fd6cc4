"""The same key twice is the same message, however the retry comes."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.phones import pair
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process


async def test_sent_again_one_after_the_other(server: Server) -> None:
    async with Client(server) as client:
        first = await client.ask("once", key=(key := uuid4().hex))
        seen = len(client.frames)
        client.runs.clear()
        client.by_key.clear()
        again = await client.ask("once", key=key)
    assert again.run == first.run
    assert again.answer == first.answer
    assert len(client.frames) > seen
    assert Store(server).messages(key) == 1


async def test_sent_many_times_at_once_on_one_socket_and_on_others(server: Server) -> None:
    key = uuid4().hex
    frame = json.dumps({"type": "message", "message": "!say 5", "key": key})
    clients = [await Client(server).connect() for _ in range(4)]
    try:
        await asyncio.gather(*(client.send_text(frame) for client in clients for _ in range(2)))
        for client in clients:
            await client.until(lambda client=client: key in client.by_key, "the run")  # type: ignore[misc]
            await client.ping()
            await client.finish(client.by_key[key])
    finally:
        for client in clients:
            await client.leave()
    assert len({client.by_key[key].run for client in clients}) == 1
    assert {client.by_key[key].answer for client in clients} == {"w0 w1 w2 w3 w4 "}
    assert Store(server).messages(key) == 1


async def test_a_key_is_its_devices_own(server: Server) -> None:
    """Two phones may choose the same key by chance: neither gets the other's message."""
    headers = await asyncio.to_thread(pair, server)
    key = uuid4().hex
    async with Client(server) as one, Client(server, headers=headers) as other:
        runs = [await one.ask("mine", key=key), await other.ask("yours", key=key)]
    assert [run.answer for run in runs] == ["echo: mine", "echo: yours"]
    assert Store(server).messages(key) == 2


async def test_sent_again_after_a_crash(fresh: FreshServer) -> None:
    server = fresh().start()
    client = await Client(server).connect()
    first = await client.ask("!say 3", key=(key := uuid4().hex))
    cut = await client.say("!say 300", key=(long := uuid4().hex))
    await client.pieces(cut, 5)
    server.kill()
    await client.gone()
    await server.start_again()
    async with Client(server) as later:
        again = await later.ask("!say 3", key=key)
        interrupted = await later.ask("!say 300", key=long)
    assert (again.run, again.answer, again.reason) == (first.run, first.answer, "stop")
    assert (interrupted.run, interrupted.reason) == (cut.run, "interrupted")
    assert [Store(server).messages(k) for k in (key, long)] == [1, 1]
