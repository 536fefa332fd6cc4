"""One model on two real servers of somebody else's make (`transformers serve`): one is killed under load, and no answer is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.client import Client, RunView
from tests.end_to_end.conftest import FreshServer
from tests.inference.real_server import RealServer

pytestmark = pytest.mark.process

ANSWERS = 4
"""At once, before the kill and again after it."""
TOKENS = {"max_tokens": 10, "temperature": 1.0}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[RealServer, RealServer]]:
    both = RealServer(tmp_path, "left").begin(), RealServer(tmp_path, "right").begin()
    try:
        yield both[0].wait(), both[1].wait()
    finally:
        for server in both:
            server.kill()


def configuration(pair: tuple[RealServer, RealServer]) -> str:
    backends = [f'[[models.both.backends]]\nname = "{name}"\nbase_url = "{one.url}"\n' for name, one in zip(("left", "right"), pair, strict=True)]
    return f'[models.both]\nengine = "openai"\nmodel = {json.dumps(pair[0].model)}\n' + "".join(backends)


async def finished(client: Client, views: list[RunView]) -> list[RunView]:
    return list(await asyncio.gather(*(client.finish(view) for view in views)))


async def test_one_is_killed_under_load(fresh: FreshServer, pair: tuple[RealServer, RealServer], tmp_path: Path) -> None:
    toml = tmp_path / "llmsite.toml"
    toml.write_text(configuration(pair))
    server = fresh("uvicorn", model="both", LLMSITE_CONFIG=str(toml)).start()
    async with Client(server) as client:

        async def say(number: int, **options: Any) -> RunView:
            return await client.say(f"Question {number}", options=TOKENS | options)

        # The first goes to the first server and is long: however late its text is seen, more is to come. The others wait behind it or are short.
        before = [await say(number, max_tokens=30 if number else 2000) for number in range(ANSWERS)]
        await client.until(lambda: before[0].seq > 1, "text of the first answer")
        pair[0].kill()
        after = [await say(number) for number in range(ANSWERS)]
        await finished(client, [*before, *after])

        assert [view.reason for view in after] == ["length"] * ANSWERS, "what had no token yet is answered by the other"
        cut = [view for view in before if view.reason == "error"]
        assert before[0] in cut, [view.reason for view in before]
        assert len(cut) < ANSWERS
        assert {(view.error or {}).get("code") for view in cut} == {"backend_dropped"}
        for view in cut:
            assert view.answer, "it had begun"
            whole = await client.finish(await client.submit(type="continue", message=view.message))
            assert whole.reason in ("length", "stop")
            assert whole.answer.startswith(view.answer), "it goes on from exactly its text"
            assert len(whole.answer) > len(view.answer)
    assert "left is down" in server.log()
