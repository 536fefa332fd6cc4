"""Stopping, failing and idling, through a whole engine."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
import torch

from inference import decode_loop
from inference.errors import DecodingFailed, EngineDead, NotReady
from inference.native_runner import NativeRunner
from inference.transformers_engine import TransformersEngine
from inference.types import ChatMessage, Delta, Finish, GenerationRequest, Prompt, Sampling
from tests.inference.conftest import StartEngine

LONG = Sampling(temperature=1.0, top_k=0, top_p=1.0, repetition_penalty=1.0, max_tokens=600, seed=1)


async def prepare(engine: TransformersEngine, text: str = "hello", sampling: Sampling = LONG, name: str = "r") -> Prompt:
    return await engine.prepare(GenerationRequest(name, (ChatMessage("user", text),), sampling))


def never_end(engine: TransformersEngine) -> None:
    assert engine._loop is not None
    engine._loop._eos_ids = frozenset()


class Spoiler:
    """Makes the model raise in chosen forward passes."""

    def __init__(self, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        assert engine._loop is not None
        self.calls: list[tuple[int, int]] = []
        """(rows, tokens) of each forward pass"""
        self.spoil: Callable[[int, int], bool] = lambda rows, tokens: False
        runner: Any = engine._loop._runner
        native = isinstance(runner, NativeRunner)
        model = runner._decoder if native else runner._call._model
        forward = model.forward

        def spoiled(*args: Any, **kwargs: Any) -> Any:
            rows = len(set(args[1])) if native else kwargs["input_ids"].shape[0]
            tokens = len(args[0]) // rows if native else kwargs["input_ids"].shape[1]
            self.calls.append((rows, tokens))
            if self.spoil(rows, tokens):
                raise RuntimeError("the device is on fire")
            return forward(*args, **kwargs)

        monkeypatch.setattr(model, "forward", spoiled)


async def collect(engine: TransformersEngine, prompt: Prompt) -> str:
    return "".join([event.text async for event in engine.stream(prompt) if isinstance(event, Delta)])


# Stopping


class Watch:
    """Knows how many tokens an engine's newest run had when its reader left."""

    def __init__(self, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        assert engine._loop is not None
        self.run: Any = None
        self.at_stop = -1
        make, wake = engine._run, engine._loop.wake

        def remember(prompt: Prompt, owner: object) -> Any:
            self.run = make(prompt, owner)
            return self.run

        def note() -> None:
            self.at_stop = len(self.run.output)
            wake()

        monkeypatch.setattr(engine, "_run", remember)
        monkeypatch.setattr(engine._loop, "wake", note)


def slow_down(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A millisecond a token: the smallest of models is through with all of them before a busy computer has stopped it."""
    assert engine._loop is not None
    step = engine._loop._step

    def slowly() -> None:
        time.sleep(0.001)
        step()

    monkeypatch.setattr(engine._loop, "_step", slowly)


@pytest.mark.parametrize("how", ["close", "cancel"])
@pytest.mark.parametrize("company", [0, 2])
async def test_at_most_one_token_is_decoded_after_a_stop(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch, how: str, company: int) -> None:
    engine = await start_engine()
    never_end(engine)
    slow_down(engine, monkeypatch)
    others = [asyncio.create_task(collect(engine, await prepare(engine, name=f"other{i}"))) for i in range(company)]
    await asyncio.sleep(0.05)
    watch = Watch(engine, monkeypatch)
    for _ in range(5):
        stream = engine.stream(await prepare(engine))
        if how == "close":
            for _ in range(3):
                await anext(stream)
            await stream.aclose()
        else:
            begun = asyncio.Event()
            reader = asyncio.create_task(_read(stream, begun))
            await begun.wait()
            reader.cancel()
            await asyncio.wait([reader])
        stopped_at = watch.at_stop
        await asyncio.sleep(0.1)
        assert 0 < stopped_at < LONG.max_tokens  # type: ignore[operator]
        assert len(watch.run.output) <= stopped_at + 1
        assert watch.run.row == -1
    for task in others:
        task.cancel()


async def _read(stream: AsyncGenerator[Delta | Finish, None], begun: asyncio.Event) -> None:
    async for _ in stream:
        begun.set()


async def test_a_stop_frees_the_row_for_the_next(start_engine: StartEngine) -> None:
    engine = await start_engine(max_streams=1)
    never_end(engine)
    first = engine.stream(await prepare(engine))
    await anext(first)
    assert engine._loop is not None
    second = asyncio.create_task(collect(engine, await prepare(engine, sampling=Sampling(max_tokens=3, seed=1))))
    while not engine._loop._scheduler.waiting:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not second.done()
    await first.aclose()
    await asyncio.wait_for(second, 5)


async def test_a_stop_in_the_queue_and_while_the_prompt_is_read(start_engine: StartEngine) -> None:
    engine = await start_engine(max_streams=1)
    never_end(engine)
    tasks = [asyncio.create_task(collect(engine, await prepare(engine, "word " * 100, name=f"{i}"))) for i in range(4)]
    await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    decoded = engine.decoded
    await asyncio.sleep(0.1)
    assert engine.decoded <= decoded + 1
    assert engine._loop is not None
    assert engine._loop._scheduler.idle


async def test_nothing_is_done_while_there_is_nothing_to_do(start_engine: StartEngine) -> None:
    engine = await start_engine()
    await collect(engine, await prepare(engine, sampling=Sampling(max_tokens=3, seed=1)))
    await asyncio.sleep(0.05)
    steps, cpu = engine.steps, time.process_time()
    await asyncio.sleep(0.5)
    assert engine.steps == steps
    assert time.process_time() - cpu < 0.2


async def test_one_call_of_the_event_loop_for_all_answers_of_a_step(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine()
    never_end(engine)
    loop = asyncio.get_running_loop()
    calls = 0
    call_soon = loop.call_soon_threadsafe

    def counting(callback: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += callback.__name__ == "_deliver"
        return call_soon(callback, *args, **kwargs)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counting)
    prompts = [await prepare(engine, sampling=Sampling(max_tokens=40).over(LONG), name=f"{i}") for i in range(8)]
    steps = engine.steps
    await asyncio.gather(*(collect(engine, prompt) for prompt in prompts))
    assert engine.decoded >= 8 * 40
    assert calls <= 2 * (engine.steps - steps)
    assert calls < engine.decoded / 3


async def test_what_is_decoded_in_a_moment_leaves_together_but_first_and_last_at_once(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await start_engine()
    never_end(engine)
    prompt = await prepare(engine, sampling=Sampling(max_tokens=40).over(LONG))
    monkeypatch.setattr(decode_loop, "HOLD_S", 0.0)
    apart = [event async for event in engine.stream(prompt)]
    monkeypatch.setattr(decode_loop, "HOLD_S", 3600.0)
    together = [event async for event in engine.stream(prompt)]
    assert len(apart) > 20
    first, rest, last = together
    assert isinstance(first, Delta)
    assert isinstance(rest, Delta)
    assert first == apart[0]
    assert first.text + rest.text == "".join(event.text for event in apart if isinstance(event, Delta))
    assert first.tokens + rest.tokens == sum(event.tokens for event in apart if isinstance(event, Delta))
    assert isinstance(last, Finish)


async def test_a_loop_that_is_gone_hurts_nobody(start_engine: StartEngine) -> None:
    engine = await start_engine()
    never_end(engine)
    prompt = await prepare(engine)

    def abandon() -> None:
        loop = asyncio.new_event_loop()
        stream = engine.stream(prompt)
        loop.run_until_complete(anext(stream))
        # The loop is closed with the answer still running, as a thread that dies would leave it.
        stream.aclose().close()
        loop.close()

    await asyncio.to_thread(abandon)
    assert await collect(engine, await prepare(engine, sampling=Sampling(max_tokens=20).over(LONG)))


# Failing


async def test_an_exception_in_a_step_fails_its_runs_and_the_engine_goes_on(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await start_engine(max_streams=2)
    never_end(engine)
    spoiler = Spoiler(engine, monkeypatch)
    short = Sampling(max_tokens=30).over(LONG)
    waiting = await prepare(engine, "hello you", short, name="waiting")
    expected = await collect(engine, waiting)
    together = 0

    def spoil(rows: int, tokens: int) -> bool:
        """Once, in the eighth step of both."""
        nonlocal together
        together += rows == 2
        return rows == 2 and together == 8

    spoiler.spoil = spoil
    both = [await prepare(engine, name=name) for name in ("a", "b")]
    results = await asyncio.gather(*(collect(engine, prompt) for prompt in [*both, waiting]), return_exceptions=True)
    assert [type(result) for result in results[:2]] == [DecodingFailed, DecodingFailed]
    assert results[2] == expected
    assert "on fire" in caplog.text
    await engine.check()


async def test_an_exception_while_reading_a_prompt_fails_that_run_alone(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine()
    never_end(engine)
    spoiler = Spoiler(engine, monkeypatch)
    prompt = await prepare(engine, sampling=Sampling(max_tokens=60).over(LONG))
    expected = await collect(engine, prompt)
    spoiler.spoil = lambda rows, tokens: tokens > 100
    good = asyncio.create_task(collect(engine, prompt))
    await asyncio.sleep(0.01)
    with pytest.raises(DecodingFailed):
        await collect(engine, await prepare(engine, "word " * 150, name="bad"))
    assert await good == expected
    await engine.check()


async def test_an_engine_that_fails_again_says_that_it_is_dead(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine(max_streams=2)
    never_end(engine)
    spoiler = Spoiler(engine, monkeypatch)
    spoiler.spoil = lambda rows, tokens: len(spoiler.calls) > 20  # from then on every pass
    tasks = [asyncio.create_task(collect(engine, await prepare(engine, name=f"{i}"))) for i in range(4)]
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert {type(result) for result in results} <= {DecodingFailed, EngineDead}
    assert EngineDead in {type(result) for result in results}
    with pytest.raises(EngineDead, match="the device is on fire"):
        await engine.check()
    with pytest.raises(EngineDead):
        await collect(engine, await prepare(engine))


async def test_numbers_that_are_not_finite_fail_that_run_alone(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine()
    never_end(engine)
    assert engine._loop is not None
    prompt = await prepare(engine, sampling=Sampling(max_tokens=30).over(LONG), name="good")
    expected = await collect(engine, prompt)
    runner = engine._loop._runner
    decode = runner.decode

    def spoiled(*args: Any, **kwargs: Any) -> torch.Tensor:
        logits = decode(*args, **kwargs)
        if len(logits) == 2:
            logits[0] = float("nan")
        return logits

    monkeypatch.setattr(runner, "decode", spoiled)
    bad = engine.stream(await prepare(engine, name="bad"))
    await anext(bad)  # its row is the first
    assert await collect(engine, prompt) == expected
    with pytest.raises(DecodingFailed):
        [event async for event in bad]
    await engine.check()


async def test_stopping_the_engine_ends_its_streams(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine()
    never_end(engine)
    Spoiler(engine, monkeypatch).spoil = lambda rows, tokens: bool(time.sleep(0.005))  # so that none is done before
    tasks = [asyncio.create_task(collect(engine, await prepare(engine, name=f"{i}"))) for i in range(10)]
    await asyncio.sleep(0.05)
    name = "engine tiny"
    await engine.stop()
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert {type(result) for result in results} == {EngineDead}
    assert not any(thread.name == name for thread in threading.enumerate())
    with pytest.raises(NotReady):
        await engine.check()


async def test_a_finish_is_the_last_event(start_engine: StartEngine) -> None:
    engine = await start_engine()
    events = [event async for event in engine.stream(await prepare(engine, sampling=Sampling(max_tokens=5).over(LONG)))]
    assert [isinstance(event, Finish) for event in events] == [False] * (len(events) - 1) + [True]


# Sharing memory with other models


async def test_a_smaller_share_lets_fewer_in_at_once_and_nobody_is_left_out(start_engine: StartEngine) -> None:
    engine = await start_engine(max_streams=4)
    never_end(engine)
    assert engine._loop is not None
    scheduler, cache = engine._loop._scheduler, engine._loop._runner.cache  # type: ignore[attr-defined]
    assert engine.cache_bytes == scheduler.max_cells * 3 * 2 * 2 * 16 * 4, "three layers, keys and values, two heads of 16 in 32 bits"
    whole = scheduler.max_cells

    engine.share_cache(whole)
    assert scheduler.max_cells == engine.info.context_window, "one conversation always fits"
    most = held = 0
    tasks = [asyncio.create_task(collect(engine, await prepare(engine, f"hello {i}", name=str(i)))) for i in range(3)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0.002)
        most, held = max(most, len(scheduler.rows)), max(held, cache.nbytes)
    assert most == 1, "two of 600 tokens are more than one window of 1024"
    assert all(task.result() for task in tasks)

    assert held > 0
    engine.share_cache(2)
    while cache.nbytes:  # noqa: ASYNC110 - given back in the engine's thread
        await asyncio.sleep(0.002)
    assert scheduler.max_cells == whole // 2
    assert await collect(engine, await prepare(engine, sampling=Sampling(max_tokens=40).over(LONG)))


async def test_a_full_cache_makes_runs_wait_and_all_end_as_they_do_alone(start_engine: StartEngine) -> None:
    """Room for one window, four rows, prompts and answers of all lengths, of which a third is given up: nothing fails, nothing outgrows its room."""
    roomy, engine = await start_engine(max_streams=1), await start_engine(max_streams=4)
    for one in (roomy, engine):
        never_end(one)
    assert engine._loop is not None
    scheduler, runner = engine._loop._scheduler, engine._loop._runner
    rounding = 4 * (runner.cache._whole - 1)  # type: ignore[attr-defined]
    """Of four rows, whose places the decoder in C wants in multiples."""
    dice = random.Random(5)
    asked = [
        (" ".join(["hello", "world"] * dice.choice([1, 5, 40])) + str(number), Sampling(temperature=0.0, max_tokens=dice.choice([1, 8, 60, 200])))
        for number in range(18)
    ]
    alone = [await collect(roomy, await prepare(roomy, text, sampling)) for text, sampling in asked]

    engine.share_cache(scheduler.max_cells)
    room = scheduler.max_cells
    assert room == engine.info.context_window
    tasks = [asyncio.create_task(collect(engine, await prepare(engine, text, sampling, name=str(n)))) for n, (text, sampling) in enumerate(asked)]
    waited, most = 0, 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0.001)
        waited = max(waited, len(scheduler.runs) - len(scheduler.rows))
        most = max(most, scheduler.reserved, runner.cells)
        if dice.random() < 0.05:
            dice.choice(tasks[::3]).cancel()
    assert waited > 0, "there was more to do than there was room for"
    assert 0 < most <= room + rounding
    for number, task in enumerate(tasks):
        assert task.cancelled() or task.result() == alone[number]
    assert sum(task.cancelled() for task in tasks) <= 6
    assert await collect(engine, await prepare(engine, *asked[0])) == alone[0], "and it goes on"
