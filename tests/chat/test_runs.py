from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async

from chat import services
from chat.identity import Client
from chat.liverun import LiveRun, StoredRun
from chat.models import Message, Run, RunEvent
from chat.protocol import Continue, Edit, End, Error, Options, Regenerate, SendMessage, Start, Stream
from chat.runs import FLUSH_S, Rejected, RunManager, is_system
from chat.services import SystemSet
from inference.engine import Engine
from inference.errors import EngineDead
from inference.fake import FakeEngine
from tests.chat.conftest import OneModel


async def submit(runs: RunManager, client: Client, frame: Any) -> LiveRun:
    run = await runs.submit(frame, client, "en")
    assert isinstance(run, LiveRun)
    return run


async def say(runs: RunManager, client: Client, text: str, **fields: Any) -> LiveRun:
    return await submit(runs, client, SendMessage(message=text, **fields))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a test has no event to wait for
            await asyncio.sleep(0.005)


async def over(run: LiveRun) -> End:
    async with asyncio.timeout(10):
        await run.over.wait()
    assert run.log.end is not None
    return run.log.end


def read(run: LiveRun | StoredRun, after: int = -1) -> list[Any]:
    frames: list[Any] = []
    while batch := run.log.next(after):
        frames += batch
        after = batch[-1].seq  # type: ignore[union-attr]
    return frames


@sync_to_async
def stored(run: LiveRun) -> Run:
    return Run.objects.select_related("message").get(id=run.new.run)


async def test_an_answer_is_streamed_and_stored(runs: RunManager, client: Client) -> None:
    run = await say(runs, client, "hello there", key="k", options=Options(temperature=0.5))
    end = await over(run)
    assert end.finish_reason == "stop"
    assert run.log.text("answer") == "echo: hello there"
    row = await stored(run)
    assert row.message.content == "echo: hello there"
    assert (row.status, row.finish_reason, row.model, row.completion_tokens) == ("done", "stop", "fake", 3)
    assert row.prompt == "[user]hello there\n[assistant]"
    assert len(row.template_hash) == 64
    assert row.sampling["temperature"] == 0.5
    assert row.seed is not None
    assert None not in (row.queue_s, row.first_token_s, row.total_s, row.tokens_per_second, row.prompt_tokens, row.context_limit, row.started_at)
    assert await RunEvent.objects.acount() == 0
    assert not runs.live


async def test_the_log_is_durable_while_the_answer_grows(runs: RunManager, client: Client, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    run = await say(runs, client, "!say 1000")
    await until(lambda: run.flushed > 5)
    assert await RunEvent.objects.filter(run_id=run.new.run).aexists()
    runs.stop_now(run.new.run, client)
    await over(run)
    assert not await RunEvent.objects.aexists()


async def test_stop_ends_it_and_keeps_the_text(runs: RunManager, client: Client, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    run = await say(runs, client, "!say 1000")
    await until(lambda: len(run.log.pieces) >= 3)
    assert runs.stop_now(run.new.run, client)
    end = await over(run)
    assert end.finish_reason == "stopped"
    assert engine.active == 0
    decoded = engine.decoded
    await asyncio.sleep(0.05)
    assert engine.decoded == decoded
    assert (await stored(run)).message.content == run.log.text("answer") != ""
    assert not runs.stop_now(run.new.run, client)


async def test_stop_while_it_waits(runs: RunManager, client: Client, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    first = await say(runs, client, "!say 1000")
    waiting = await say(runs, client, "never", conversation=first.conversation)
    await until(lambda: len(first.log.pieces) > 0)
    runs.stop_now(waiting.new.run, client)
    end = await over(waiting)
    assert (end.finish_reason, end.seq) == ("stopped", 1)
    assert isinstance(read(waiting)[0], Start)
    runs.stop_now(first.new.run, client)
    await over(first)


async def test_a_conversation_answers_in_order(runs: RunManager, client: Client) -> None:
    first = await say(runs, client, "one")
    second = await say(runs, client, "two", conversation=first.conversation)
    await over(second)
    assert first.log.end is not None
    assert (await stored(second)).prompt == "[user]one\n[assistant]echo: one\n[user]two\n[assistant]"


async def test_other_conversations_do_not_wait(runs: RunManager, client: Client, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    long = await say(runs, client, "!say 1000")
    short = await say(runs, client, "short")
    await over(short)
    assert long.log.end is None
    runs.stop_now(long.new.run, client)
    await over(long)


async def test_more_runs_than_places_wait_their_turn(client: Client, stranger: Client) -> None:
    engine = FakeEngine(delay_s=0.005, max_streams=1)
    await engine.start(lambda progress: None)

    runs = RunManager(OneModel(engine))
    flood = [await say(runs, client, "!say 100000")]
    await until(lambda: flood[0].log.start is not None)
    flood += [await say(runs, client, f"!say 3 {i}") for i in range(3)]
    other = await say(runs, stranger, "!say 3")
    await until(lambda: len(runs.queues["fake"]) == 4)
    runs.stop_now(flood[0].new.run, client)
    for run in [*flood, other]:
        await over(run)
    began = [(await stored(run)).started_at for run in [flood[0], other, *flood[1:]]]
    assert None not in began
    assert began == sorted(began), "the stranger waits for one answer only"  # type: ignore[type-var]
    await runs.shutdown()


async def test_the_same_key_returns_the_same_run(runs: RunManager, client: Client) -> None:
    run = await say(runs, client, "one", key="k")
    again = await runs.submit(SendMessage(message="one", key="k"), client, "en")
    assert again is run
    await over(run)
    later = await runs.submit(SendMessage(message="one", key="k"), client, "en")
    assert isinstance(later, StoredRun)
    assert [type(frame) for frame in read(later)] == [Start, Stream, End]
    assert await Message.objects.acount() == 2


async def test_a_stored_run_replays_like_the_living(runs: RunManager, client: Client) -> None:
    run = await say(runs, client, "one !think two")
    await over(run)
    old = await runs.watch(run.new.run, client, "en")
    assert isinstance(old, StoredRun)
    for after in range(-1, len(run.log.pieces) + 1):
        was, now = read(run, after), read(old, after)
        assert [f.model_dump(exclude={"context", "timing", "usage"}) for f in was] == [
            f.model_dump(exclude={"context", "timing", "usage"}) for f in now
        ]
    assert read(run)[-1].usage == read(old)[-1].usage


async def test_a_failing_model_fails_its_run_only(runs: RunManager, client: Client) -> None:
    fails, goes_on = await say(runs, client, "!fail 2 a b c d"), await say(runs, client, "!say 20")
    assert (await over(fails)).finish_reason == "error"
    *_, error, _ = read(fails)
    assert isinstance(error, Error)
    assert (error.code, error.run, error.retryable) == ("decoding_failed", fails.new.run, True)
    row = await stored(fails)
    assert (row.finish_reason, row.error_code) == ("error", "decoding_failed")
    assert row.message.content == "echo: !fail "
    assert (await over(goes_on)).finish_reason == "stop"
    replayed = read(await runs.watch(fails.new.run, client, "en"))
    assert [type(frame) for frame in replayed[-2:]] == [Error, End]


async def test_a_crash_is_one_generic_sentence_and_a_traceback_in_the_log(runs: RunManager, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    run = await say(runs, client, "!crash")
    assert (await over(run)).finish_reason == "error"
    assert run.log.error is not None
    assert (run.log.error.code, run.log.error.message) == ("internal", "Something went wrong on the computer. Its log has the details.")
    assert "told to crash" in caplog.text
    caplog.clear()


async def test_sentences_are_in_the_readers_language(runs: RunManager, client: Client) -> None:
    with pytest.raises(Rejected, match="消息是空的"):
        await runs.submit(SendMessage(message="  \n"), client, "zh-CN")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (SendMessage(message=" \n "), "empty"),
        (SendMessage(message="word " * 5000), "context_overflow"),
        (Edit(type="edit", message=uuid4(), content=" "), "empty"),
        (Edit(type="edit", message=uuid4(), content="x"), "no_message"),
        (Regenerate(type="regenerate", message=uuid4()), "no_message"),
        (Continue(type="continue", message=uuid4()), "no_message"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_leaves_nothing(runs: RunManager, client: Client, frame: Any, code: str) -> None:
    await over(await say(runs, client, "the engine is known"))
    before = await Message.objects.acount()
    with pytest.raises(Rejected) as rejected:
        await runs.submit(frame.model_copy(update={"key": "k"}), client, "en")
    assert (rejected.value.error.code, rejected.value.error.key) == (code, "k")
    assert await Message.objects.acount() == before


async def test_a_parameter_that_the_engine_does_not_know_is_refused_when_asked_for(client: Client) -> None:
    engine = FakeEngine(parameters=frozenset({"max_tokens", "temperature"}))
    await engine.start(lambda progress: None)

    runs = RunManager(OneModel(engine))
    await over(await say(runs, client, "x"))
    with pytest.raises(Rejected, match="parameter top_k"):
        await runs.submit(SendMessage(message="x", options=Options(top_k=5)), client, "en")
    preset = await say(runs, client, "x", options=Options(preset="tutorial"))
    assert (await over(preset)).finish_reason == "stop", "a preset says what it would like"
    await runs.shutdown()


async def test_continue_goes_on_from_exactly_the_text(runs: RunManager, client: Client) -> None:
    cut = await say(runs, client, "!say 10", options=Options(max_tokens=4))
    assert (await over(cut)).finish_reason == "length"
    more = await submit(runs, client, Continue(type="continue", message=cut.new.message))
    await over(more)
    assert read(more)[0].content == "w0 w1 w2 w3 "
    assert (await stored(more)).message.content == "".join(f"w{i} " for i in range(10))
    assert more.log.text("answer") == "".join(f"w{i} " for i in range(4, 10))


async def test_shutdown_interrupts_and_saves(runs: RunManager, client: Client, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    run, waiting = await say(runs, client, "!say 1000"), None
    waiting = await say(runs, client, "x", conversation=run.conversation)
    await until(lambda: len(run.log.pieces) > 2)
    await runs.shutdown()
    for ended in (run, waiting):
        assert (await stored(ended)).finish_reason == "interrupted"
    assert (await stored(run)).message.content == run.log.text("answer")
    with pytest.raises(Rejected, match="being stopped"):
        await runs.submit(SendMessage(message="x"), client, "en")


async def test_a_process_that_ends_without_a_word_saves_too(runs: RunManager, client: Client, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    run = await say(runs, client, "!say 1000")
    await until(lambda: len(run.log.pieces) > 2)
    text = run.log.text("answer")
    await sync_to_async(runs.save_now)()
    row = await stored(run)
    assert row.finish_reason == "interrupted"
    assert row.message.content.startswith(text)


async def test_a_process_whose_threads_are_closed_already_leaves_its_answers_to_that(
    runs: RunManager, client: Client, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The interpreter closes its pools of threads before anything else, while the event loop of runserver goes on in a thread of its own."""
    engine.delay_s = 0.001
    run = await say(runs, client, "!say 100")
    await until(lambda: len(run.log.pieces) > 2)
    with monkeypatch.context() as ending:
        ending.setattr("concurrent.futures.thread._shutdown", True)
        await until(lambda: len(run.log.pieces) >= 100)
        await asyncio.sleep(3 * FLUSH_S)
    assert run.new.run in runs.live, "it is still to be stored"
    await sync_to_async(runs.save_now)()
    assert (await stored(run)).message.content == run.log.text("answer")
    assert caplog.text == ""


async def test_messages_wait_for_a_model_that_loads(client: Client, engine: FakeEngine) -> None:
    loaded = asyncio.Event()

    async def ready() -> Engine:
        await loaded.wait()
        return engine

    runs = RunManager(OneModel(None, ready))
    run = await say(runs, client, "early")
    assert await Message.objects.acount() == 2, "stored at once"
    assert run.log.start is None
    loaded.set()
    assert (await over(run)).finish_reason == "stop"
    await runs.shutdown()


async def test_a_model_that_failed_to_load_says_so(client: Client) -> None:
    async def ready() -> Engine:
        raise EngineDead(reason="no such device")

    runs = RunManager(OneModel(None, ready))
    run = await say(runs, client, "x")
    assert (await over(run)).finish_reason == "error"
    assert run.log.error is not None
    assert "no such device" in run.log.error.message
    await runs.shutdown()


async def test_a_strangers_run_is_not_there(runs: RunManager, client: Client, stranger: Client, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    run = await say(runs, client, "!say 1000")
    for _ in range(2):  # while it runs, and when it is stored
        with pytest.raises(Rejected) as rejected:
            await runs.watch(run.new.run, stranger, "en")
        assert (rejected.value.error.code, rejected.value.error.run) == ("no_run", run.new.run)
        assert not runs.stop_now(run.new.run, stranger)
        assert (run.stop_reason is None) or run.log.end
        runs.stop_now(run.new.run, client)
        await over(run)


async def test_a_database_that_fails_for_a_while_costs_no_text(
    runs: RunManager, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([OSError("disk full"), OSError("disk full")])
    finish_run = services.finish_run

    def failing(**fields: Any) -> None:
        if (error := next(failures, None)) is not None:
            raise error
        finish_run(**fields)

    monkeypatch.setattr(services, "finish_run", failing)
    run = await say(runs, client, "x y")
    assert (await over(run)).finish_reason == "stop"
    assert (await stored(run)).message.content == "echo: x y"
    assert caplog.text.count("could not be stored, attempt") == 2
    caplog.clear()


async def test_a_database_that_fails_for_good_is_told(
    runs: RunManager, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(**fields: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(services, "finish_run", failing)
    monkeypatch.setattr("chat.runs.SAVE_TRIES", 2)
    run = await say(runs, client, "x y")
    await over(run)
    assert run.log.error is not None
    assert run.log.error.message == "The answer could not be stored: disk full"
    assert isinstance(read(run)[-2], Error)
    caplog.clear()


async def test_system_sets_the_prompt_and_runs_nothing(runs: RunManager, client: Client) -> None:
    done = await runs.submit(SendMessage(message="/system be brief", key="k"), client, "en")
    assert isinstance(done, SystemSet)
    assert await runs.submit(SendMessage(message="/system be brief", key="k"), client, "en") == done
    run = await say(runs, client, "x", conversation=done.conversation)
    await over(run)
    assert (await stored(run)).prompt.startswith("[system]be brief\n")
    assert await Message.objects.filter(role="system").acount() == 1


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("/system be brief", "be brief"),
        ("  /system\nbe\nbrief ", "be\nbrief"),
        ("/system", ""),
        ("/systematic", None),
        ("a /system b", None),
        ("", None),
    ],
)
def test_the_system_command(text: str, prompt: str | None) -> None:
    assert is_system(text) == prompt


async def test_every_run_ends_once_however_it_is_stopped(runs: RunManager, client: Client, engine: FakeEngine) -> None:
    engine.delay_s = 0.002
    started = [await say(runs, client, f"!say 5 {i}") for i in range(20)]
    for i, run in enumerate(started):
        if i % 2:
            await asyncio.sleep(0.002 * (i % 5))
            runs.stop_now(run.new.run, client)
    for run in started:
        await over(run)
        assert len([frame for frame in read(run) if isinstance(frame, End)]) == 1
        row = await stored(run)
        assert row.status == "done"
        assert row.message.content == run.log.text("answer")
    assert not runs.live
    assert not runs._newest
    assert runs.queues["fake"].active.total() == 0


def test_every_refusal_has_a_sentence() -> None:
    from chat import sentences
    from inference import errors

    codes = {error.code for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.EngineError)}
    assert codes <= set(sentences.CHINESE)
    assert set(sentences.ENGLISH) <= set(sentences.CHINESE)
