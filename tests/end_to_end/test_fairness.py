"""Two clients, one place at the engine: neither starves the other, and both know where they stand."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.phones import pair

pytestmark = pytest.mark.process


async def test_a_flood_delays_another_client_by_one_answer_at_most(fresh: FreshServer) -> None:
    server = fresh(LLMSITE_MAX_STREAMS="1").start()
    headers = await asyncio.to_thread(pair, server)
    async with Client(server) as flooding, Client(server, headers=headers) as patient:
        flood = [await flooding.say("!say 25", conversation=str(uuid4())) for _ in range(10)]
        await flooding.finish(flood[0])  # from here on the server has an idea of how long an answer takes
        one = await patient.say("!say 2")
        before = [run.run for run in flood if run.end is not None]
        await patient.finish(one)
        during = [run.run for run in flood if run.end is not None and run.run not in before]
        assert len(during) <= 2, "it waited for more than the running answer (and one that ended in the same moment)"
        for run in flood:
            await flooding.finish(run)
    assert one.places
    assert one.places[-1]["position"] <= 1
    assert one.places[-1]["eta_s"] > 0
    places = [place["position"] for place in flood[-1].places]
    assert max(places) >= 8
    assert places[-1] == 0
    assert [run.reason for run in flood] == ["stop"] * 10


async def test_places_and_estimates_fall(fresh: FreshServer) -> None:
    server = fresh(LLMSITE_MAX_STREAMS="1").start()
    async with Client(server) as client:
        await client.ask("!say 10")
        runs = [await client.say("!say 10", conversation=str(uuid4())) for _ in range(5)]
        for run in runs:
            await client.finish(run)
    last = runs[-1].places
    assert [place["position"] for place in last[1:]] == sorted((place["position"] for place in last[1:]), reverse=True)
    assert last[-1]["position"] == 0
    estimates = [place["eta_s"] for place in last if "eta_s" in place]
    assert len(estimates) >= 3
    assert estimates[0] > estimates[-1]
    ends = [frame["run"] for frame in client.frames if frame["type"] == "end"][1:]
    assert ends == [run.run for run in runs]
