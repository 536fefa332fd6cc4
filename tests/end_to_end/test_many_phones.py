"""A hundred phones at once, thirty-two of which are answered: nobody loses a frame, and everything is stored."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process

PHONES, STREAMS, WORDS = 100, 32, 60


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_many_phones_lose_nothing(fresh: FreshServer, database: str) -> None:
    server = fresh("serve", database, LLMSITE_MAX_STREAMS=str(STREAMS)).start()
    async with AsyncExitStack() as stack:
        phones = [await stack.enter_async_context(Client(server)) for _ in range(PHONES)]
        talking = phones[::3][:STREAMS]
        runs = await asyncio.gather(*(phone.say(f"!say {WORDS}", conversation=str(uuid4())) for phone in talking))
        for phone, run in zip(talking, runs, strict=True):
            await phone.finish(run)
        expected = "".join(f"w{number} " for number in range(WORDS))
        assert [run.answer for run in runs] == [expected] * STREAMS
        assert [run.reason for run in runs] == ["stop"] * STREAMS
        assert {run.seq for run in runs} == {WORDS + 1}, "each piece has its number, and the end follows"
        assert [phone.closed for phone in phones] == [None] * PHONES, "those that only listen stay"
    store = Store(server)
    assert [store.run(run.run).answer for run in runs] == [expected] * STREAMS
    assert store.count("chat_runevent") == 0, "the logs of runs are removed when their text is final"
