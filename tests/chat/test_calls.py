"""Calls of /v1/ beside the chat's runs: one queue, one record, and nobody to stop them but who asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chat import call_records, services
from chat.calls import Asked, Call, Calls, Done, Ended, Interrupted, NotRecorded, Stopping, end_calls
from chat.identity import Client
from chat.models import Conversation, Message, Run
from chat.protocol import SendMessage
from chat.runs import RunManager
from inference.errors import ConversationOverflow, DecodingFailed, NoModel
from inference.fake import FakeEngine
from inference.types import ChatMessage, Sampling
from tests.chat.conftest import OneModel


@pytest.fixture
async def calls(runs: RunManager) -> AsyncIterator[Calls]:
    made = Calls(runs)
    yield made
    await made.shutdown()


def asking(text: str, **more: Any) -> Asked:
    return Asked(model="", messages=(ChatMessage("user", text),), **more)


async def read(call: Call) -> tuple[str, Done]:
    text = ""
    async for event in call.events():
        if isinstance(event, Done):
            return text, event
        text += event.text
    raise AssertionError("it has no end")


async def stored(call: Call) -> Run:
    assert call.run is not None
    return await Run.objects.select_related("message__parent").aget(id=call.run.id)


async def test_its_figures_are_kept_and_its_words_are_not(calls: Calls, client: Client) -> None:
    call = calls.begin(asking("!think secret", sampling=Sampling(stop=("secret stop",), temperature=0.5), label="u1"), client)
    text, done = await read(call)
    assert text == "hm well echo: !think secret"
    assert (done.reason, done.usage.completion_tokens, done.thinking_tokens) == ("stop", 5, 2)
    run = await stored(call)
    assert (run.status, run.finish_reason, run.model, run.device_id, run.message) == ("done", "stop", "fake", client.device.id, None)
    assert (run.prompt_tokens, run.completion_tokens, run.options) == (3, 5, {"temperature": 0.5, "user": "u1"})
    assert run.queue_s is not None
    assert run.first_token_s is not None
    assert run.started_at is not None
    assert "secret" not in repr(await Run.objects.filter(id=run.id).values().aget())
    assert await Message.objects.acount() == 0
    assert calls.live == {}


async def test_a_stored_one_is_a_conversation(calls: Calls, client: Client) -> None:
    turns = (ChatMessage("system", "be kind"), ChatMessage("user", "!think a wombat"))
    call = calls.begin(Asked(model="", messages=turns, store=True), client)
    await read(call)
    run = await stored(call)
    assert run.message is not None
    assert (run.message.content, run.message.thinking, run.finish_reason) == ("echo: !think a wombat", "hm well ", "stop")
    assert "a wombat" in run.prompt
    place = await Conversation.objects.aget()
    assert (place.owner_id, place.leaf_id, place.title) == (client.owner, run.message_id, "!think a wombat")


async def test_who_hangs_up_stops_the_decoding(calls: Calls, client: Client, engine: FakeEngine) -> None:
    call = calls.begin(asking("!say 100000"), client)
    events = call.events()
    await anext(events)
    call.hang_up()
    with pytest.raises(Ended):
        [event async for event in events]
    decoded = engine.decoded
    await asyncio.sleep(0.05)
    assert (engine.decoded, engine.active) == (decoded, 0)
    assert (await stored(call)).finish_reason == "stopped"


async def test_who_hangs_up_at_once_is_recorded_too(calls: Calls, client: Client) -> None:
    call = calls.begin(asking("!say 100000"), client)
    call.hang_up()
    with pytest.raises(Ended):
        await read(call)
    assert ((await stored(call)).status, (await stored(call)).finish_reason) == ("done", "stopped")


async def test_it_waits_in_the_chats_queue(client: Client, stranger: Client) -> None:
    engine = FakeEngine(delay_s=0.001, max_streams=1)
    await engine.start(lambda progress: None)
    runs = RunManager(OneModel(engine))
    calls = Calls(runs)
    running = await runs.submit(SendMessage(message="!say 100000"), client, "en")
    async with asyncio.timeout(10):
        while running.log.start is None:  # noqa: ASYNC110 - a test has no event to wait for
            await asyncio.sleep(0.005)
        call = calls.begin(asking("hi"), stranger)
        while len(runs.queues["fake"]) == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert not call.has_begun
    runs.stop_now(running.log.run, client)  # type: ignore[union-attr]
    assert (await read(call))[0] == "echo: hi"
    await asyncio.gather(runs.shutdown(), calls.shutdown())


async def test_what_is_too_long_is_refused_and_not_cut(calls: Calls, client: Client) -> None:
    long = "word " * 3000
    turns = (ChatMessage("user", long), ChatMessage("assistant", "yes"), ChatMessage("user", long))
    with pytest.raises(ConversationOverflow):
        await read(calls.begin(Asked(model="", messages=turns), client))


async def test_failures_are_told_and_recorded(calls: Calls, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    call = calls.begin(asking("!fail 2"), client)
    with pytest.raises(DecodingFailed):
        await read(call)
    assert ((await stored(call)).finish_reason, (await stored(call)).error_code) == ("error", "decoding_failed")
    crashed = calls.begin(asking("!crash my secret"), client)
    with pytest.raises(RuntimeError):
        await read(crashed)
    assert (await stored(crashed)).error == "RuntimeError"
    with pytest.raises(NoModel):
        calls.begin(Asked(model="gpt-none", messages=(ChatMessage("user", "hi"),)), client)


async def test_without_a_record_there_is_no_answer(
    calls: Calls, client: Client, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(**_: Any) -> Run:
        raise OSError("the disk is full")

    monkeypatch.setattr(call_records, "begin", full)
    with pytest.raises(NotRecorded):
        await read(calls.begin(asking("hi"), client))
    assert engine.decoded == 0


async def test_a_revoked_key_ends_its_calls_only(calls: Calls, client: Client, stranger: Client) -> None:
    gone, stays = calls.begin(asking("!say 100000"), client), calls.begin(asking("!say 20"), stranger)
    events = gone.events()
    await anext(events)
    await asyncio.to_thread(end_calls, [client.device.id])
    with pytest.raises(Ended):
        [event async for event in events]
    assert (await read(stays))[1].reason == "stop"


async def test_the_end_of_the_server_ends_them(calls: Calls, client: Client) -> None:
    call = calls.begin(asking("!say 100000"), client)
    events = call.events()
    await anext(events)
    await calls.shutdown()
    with pytest.raises(Interrupted):
        [event async for event in events]
    assert (await stored(call)).finish_reason == "interrupted"
    with pytest.raises(Stopping):
        calls.begin(asking("hi"), client)


async def test_what_a_crash_left_is_recorded_as_interrupted(client: Client) -> None:
    run = await sync_to_async(call_records.begin)(device=client.device, model="fake", options={})
    assert await sync_to_async(services.recover_interrupted)() == 1
    await run.arefresh_from_db()
    assert (run.status, run.finish_reason, run.message_id) == ("done", "interrupted", None)
