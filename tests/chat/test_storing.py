from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from chat import services, storing
from chat.identity import Client
from chat.models import Message, Run
from chat.protocol import SendMessage
from chat.runs import RunManager
from chat.services import NewRun
from chat.storing import Storing


def begin(new: NewRun, found: Any) -> tuple[NewRun, list[str]]:
    return new, [message.content for message in found.messages]


def send(client: Client, text: str, **fields: Any) -> Callable[[], NewRun]:
    return partial(services.send, device=client.device, content=text, **fields)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many writes each turn at the database had."""
    sizes: list[int] = []
    together = storing._store_together

    def counted(writes: list[Any], system_prompt: str) -> Any:
        sizes.append(len(writes))
        return together(writes, system_prompt)

    monkeypatch.setattr(storing, "_store_together", counted)
    return sizes


async def test_what_comes_together_is_stored_together(client: Client, batches: list[int]) -> None:
    place: Storing[Any] = Storing("")
    stored = await asyncio.gather(*(place.store(send(client, f"m{i}"), begin) for i in range(storing.MOST + 3)))
    assert batches == [storing.MOST, 3]
    assert [texts for _, texts in stored] == [[f"m{i}"] for i in range(storing.MOST + 3)]
    assert await Message.objects.filter(role="user").acount() == storing.MOST + 3


async def test_what_is_refused_undoes_itself_alone(client: Client, stranger: Client) -> None:
    place: Storing[Any] = Storing("")
    theirs = (await place.store(send(stranger, "theirs"), begin))[0].conversation

    def broken() -> NewRun:
        with transaction.atomic():
            send(client, "half")()
            raise DatabaseError("no such thing")

    writes = [send(client, "one"), send(client, "not mine", conversation=theirs), broken, send(client, "two", key="k"), send(client, "two", key="k")]
    results = await asyncio.gather(*(place.store(write, begin) for write in writes), return_exceptions=True)
    assert [type(result) for result in results] == [tuple, services.Refused, DatabaseError, tuple, services.AlreadyDone]
    assert results[4].run == results[3][0].run
    assert {text async for text in Message.objects.filter(role="user").values_list("content", flat=True)} == {"theirs", "one", "two"}


async def test_a_commit_that_fails_fails_them_all(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(storing.selectors, "model_input", refuse)
    place: Storing[Any] = Storing("")
    results = await asyncio.gather(*(place.store(send(client, text), begin) for text in "ab"), return_exceptions=True)
    assert [str(result) for result in results] == ["the disk is full"] * 2
    assert await Message.objects.acount() == 0


async def test_whoever_goes_away_meanwhile_has_said_it_all_the_same(client: Client, runs: RunManager) -> None:
    asking = asyncio.create_task(runs.submit(SendMessage(message="hello", key="k"), client, "en"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await runs._storing.finish()
    [run] = runs.live.values()
    async with asyncio.timeout(10):
        await run.over.wait()
    assert run.log.text("answer") == "echo: hello"
    assert await Run.objects.filter(key="k", finish_reason="stop").acount() == 1
