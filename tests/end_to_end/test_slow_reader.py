"""A client that does not read costs the others nothing, the server little, and itself no word."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.end_to_end.client import Client, RunView
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.server import Kind
from tests.end_to_end.slow import SlowClient

pytestmark = pytest.mark.process

LONG = " ".join("字" * 19_000 for _ in range(5))
MANY = 30
"""So many long answers are more than the kernel's buffers take: 8 MB."""


async def long_answers(client: Client) -> list[RunView]:
    """Answers to be replayed, each 285 kB on the wire."""
    runs = [await client.say(LONG, conversation=str(uuid4())) for _ in range(MANY)]
    return [await client.finish(run) for run in runs]


@pytest.mark.parametrize("kind", ["serve", "uvicorn", "daphne"])
async def test_who_does_not_read_delays_nobody_and_gets_everything_later(fresh: FreshServer, kind: Kind) -> None:
    server = fresh(kind).start()
    async with Client(server) as quick, SlowClient(server) as slow:
        stored = await long_answers(quick)
        memory = server.memory()
        await slow.send(type="message", message="!say 80", key=(own := uuid4().hex))
        for run in stored:
            await slow.resume(run.run, -1)

        answers = [await quick.ask("!say 100", conversation=str(uuid4())) for _ in range(2)]
        grown = server.memory() - memory

        slow.read()
        for run in stored:
            await slow.finish(slow.runs[run.run])
        await slow.until(lambda: own in slow.by_key, "its own answer")
        await slow.finish(slow.by_key[own])

    for answer in answers:
        assert answer.answer == "".join(f"w{i} " for i in range(100))
        assert len(answer.streams) >= 60, "the quick one got its text in few large pieces: it had to wait"
    assert [slow.runs[run.run].answer for run in stored] == [run.answer for run in stored]
    late = slow.by_key[own]
    assert late.answer == "".join(f"w{i} " for i in range(80))
    if kind != "daphne":  # daphne takes whatever it is given and keeps it: nothing that an application can see or limit
        assert late.merged, "its own answer was over before it began to read, so its frames had to be merged"
        assert grown < 11_000_000, f"{grown / 1e6:.1f} MB are kept for somebody who does not read"


async def test_a_dozen_that_do_not_read_do_not_stop_the_engine(fresh: FreshServer) -> None:
    server = fresh("serve").start()
    slow = [await SlowClient(server).connect() for _ in range(12)]
    async with Client(server) as quick:
        stored = await long_answers(quick)
        for client in slow:
            for run in stored:
                await client.resume(run.run, -1)
        answer = await quick.ask("!say 100")
        assert len(answer.streams) >= 60
    for client in slow:
        client.read()
        client.drop()
        await client.gone()
    async with Client(server) as later:
        assert (await later.ask("hello")).answer == "echo: hello"
