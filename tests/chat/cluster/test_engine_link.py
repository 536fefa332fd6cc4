"""What the engine process counts for all web processes together."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat import limits
from chat.cluster.bus import Bus
from chat.cluster.engine_link import EngineLink
from chat.limits import Exceeded
from inference.embedding import Embedded


async def test_unfinished_calls_for_vectors_are_counted() -> None:
    most = limits.shared().limits.unfinished_answers
    finish, all_began, asked = asyncio.Event(), asyncio.Event(), []

    async def embed(name: str, texts: tuple[str, ...], call: UUID, caller: str) -> Embedded:
        asked.append(call)
        if len(asked) == most:
            all_began.set()
        await finish.wait()
        return Embedded(((1.0,),), 1)

    serving: Any = SimpleNamespace(embed=embed)
    runs: Any = SimpleNamespace(begun=[])
    link = EngineLink(Bus("redis://127.0.0.1:1/0"), "one", runs=runs, calls=SimpleNamespace(), serving=serving)  # type: ignore[arg-type]

    def request(caller: str) -> dict[str, Any]:
        return {"name": "tiny", "texts": ["a"], "call": uuid4().hex, "caller": caller}

    async with asyncio.TaskGroup() as tasks:
        for _ in range(most):
            tasks.create_task(link._embed(request("a key")))
        await all_began.wait()
        with pytest.raises(Exceeded) as refused:
            await link._embed(request("a key"))
        assert refused.value.code == "too_many_answers"
        tasks.create_task(link._embed(request("another key")))
        finish.set()
    assert (await link._embed(request("a key")))["tokens"] == 1
