"""The pool with engines that only say that they are loaded; whether memory really comes back: test_room.py."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from inference.engine import Engine
from inference.errors import BrokenModel, EngineDead, EngineError, NoModel, NotReady, OutOfMemory
from inference.fake import FakeEngine
from inference.types import LoadProgress, ProgressCallback
from llmsite.config import ModelConfig
from llmsite.pool import EnginePool
from llmsite.room import Room


class Loading(FakeEngine):
    """Loads until it is told to be done, or that it fails; says what happens to it."""

    def __init__(self, bench: Bench, model: ModelConfig) -> None:
        super().__init__(name=model.name)
        self.bench = bench
        self.stopped = False

    async def start(self, progress: ProgressCallback) -> None:
        bench, name = self.bench, self._info.name
        bench.events.append(f"load {name}")
        bench.at_once += 1
        bench.most_at_once = max(bench.most_at_once, bench.at_once)
        progress(LoadProgress("loading the weights", 0.5))
        try:
            while not bench.gate(name).is_set() and not self.stopped:  # noqa: ASYNC110 - the gate is opened in another thread
                await asyncio.sleep(0.002)
            await asyncio.sleep(bench.load_s)
            if bench.failures.get(name):
                raise bench.failures[name].pop(0)
        finally:
            bench.at_once -= 1
        if self.stopped:
            raise NotReady
        await super().start(progress)
        bench.events.append(f"ready {name}")

    async def stop(self) -> None:
        if not self.stopped:
            self.bench.events.append(f"stop {self._info.name}")
        self.stopped = True
        await super().stop()


def name_of(engine: Engine) -> str:
    """Also of one that is on its way out again, because somebody else waits for the room: that one does not say it itself any more."""
    assert isinstance(engine, Loading)
    return engine._info.name


class Bench:
    """Models a, b, c here and one that is far; each loads at once unless its gate is shut."""

    def __init__(self, **settings: Any) -> None:
        names = [ModelConfig(name=name, engine="fake") for name in ("a", "b", "c", "Owner/Big-One")]
        self.models = {model.name: model for model in [*names, ModelConfig(name="far", engine="openai", base_url="http://far/v1", model="m")]}
        self.events: list[str] = []
        self.at_once = self.most_at_once = 0
        self.load_s = 0.0
        self.failures: dict[str, list[BaseException]] = {}
        self._gates: dict[str, threading.Event] = {}
        self.pool = EnginePool(lambda: self.models, self.build, **settings)

    def gate(self, name: str) -> threading.Event:
        if name not in self._gates:
            self._gates[name] = threading.Event()
            self._gates[name].set()
        return self._gates[name]

    def shut(self, name: str) -> threading.Event:
        self.gate(name).clear()
        return self.gate(name)

    def build(self, model: ModelConfig) -> Engine:
        return Loading(self, model)

    async def hold(self, stack: AsyncExitStack, name: str) -> Engine:
        return await stack.enter_async_context(self.pool.use(name))

    async def touch(self, name: str) -> Engine:
        async with self.pool.use(name) as engine:
            return engine

    def states(self) -> dict[str, str]:
        return {name: self.pool.view(name).state for name in self.models if self.pool.view(name).state != "idle"}


MakeBench = Callable[..., Bench]


@pytest.fixture
async def make_bench() -> AsyncIterator[MakeBench]:
    benches: list[Bench] = []

    def make(**settings: Any) -> Bench:
        benches.append(Bench(**settings))
        return benches[-1]

    yield make
    for bench in benches:
        for gate in bench._gates.values():
            gate.set()
        await bench.pool.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.002)


# --- names ---


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("", "a"), ("b", "b"), ("B", "b"), ("owner/big-one", "Owner/Big-One"), ("Big-One", "Owner/Big-One"), ("big-one", "Owner/Big-One")],
)
def test_a_model_goes_by_its_name(asked: str, meant: str) -> None:
    assert Bench().pool.name_of(asked) == meant


def test_a_name_that_nobody_has_is_told_with_those_there_are() -> None:
    with pytest.raises(NoModel, match=r"no model named x on this computer\. There is: a, b, c, Owner/Big-One, far\."):
        Bench().pool.name_of("x")


def test_a_name_that_means_two_models_means_none() -> None:
    bench = Bench()
    bench.models["Other/big-one"] = ModelConfig(name="Other/big-one", engine="fake")
    assert "Other/big-one" in bench.pool.models()
    with pytest.raises(NoModel):
        bench.pool.name_of("big-one")


async def test_a_model_that_was_downloaded_meanwhile_is_found(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.models = {**bench.models, "new": ModelConfig(name="new", engine="fake")}
    assert bench.pool.name_of("new") == "new"
    assert (await bench.touch("new")).info.name == "new"


# --- loading ---


async def test_it_is_loaded_when_it_is_asked_for_and_stays(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert bench.states() == {}
    engine = await bench.touch("b")
    assert engine.info.name == "b"
    assert await bench.touch("b") is engine
    assert bench.events == ["load b", "ready b"]
    assert bench.states() == {"b": "ready"}
    assert bench.pool.loaded("b") is engine
    assert bench.pool.loaded("a") is None


async def test_many_at_once_load_it_once(make_bench: MakeBench) -> None:
    bench = make_bench()
    engines = await asyncio.gather(*(bench.touch("a") for _ in range(20)))
    assert len(set(map(id, engines))) == 1
    assert bench.events == ["load a", "ready a"]


async def test_local_models_are_loaded_one_after_the_other_and_nobody_waits_for_a_remote_one(make_bench: MakeBench) -> None:
    bench = make_bench()
    gate = bench.shut("a")
    local = [asyncio.create_task(bench.touch(name)) for name in ("a", "b", "c")]
    await until(lambda: "load a" in bench.events)
    assert (await bench.touch("far")).info.name == "far"
    assert bench.states() == {"a": "loading", "b": "loading", "c": "loading", "far": "ready"}
    assert bench.events == ["load a", "load far", "ready far"]
    gate.set()
    await asyncio.gather(*local)
    assert bench.events[3:] == ["ready a", "load b", "ready b", "load c", "ready c"]


async def test_the_event_loop_goes_on_while_a_model_loads(make_bench: MakeBench) -> None:
    bench = make_bench()
    build = bench.build
    building, goes_on = threading.Event(), threading.Event()

    def slowly(model: ModelConfig) -> Engine:
        building.set()  # imports torch, say
        assert goes_on.wait(10), "the event loop stands still"
        return build(model)

    bench.pool._build = slowly
    loading = asyncio.create_task(bench.touch("a"))
    await until(building.is_set)
    goes_on.set()
    await loading


async def test_how_far_it_is_can_be_seen(make_bench: MakeBench) -> None:
    bench = make_bench()
    gate = bench.shut("a")
    loading = asyncio.create_task(bench.touch("a"))
    await until(lambda: bench.pool.view("a").progress == LoadProgress("loading the weights", 0.5))
    waiting = asyncio.create_task(bench.touch("b"))
    await until(lambda: bench.pool.view("b").state == "loading")
    assert bench.pool.view("b").progress == LoadProgress("waiting")
    gate.set()
    await asyncio.gather(loading, waiting)
    assert bench.pool.view("a").progress is None


async def test_who_stops_waiting_does_not_end_it_for_the_others(make_bench: MakeBench) -> None:
    bench = make_bench()
    gate = bench.shut("a")
    first, second = asyncio.create_task(bench.touch("a")), asyncio.create_task(bench.touch("a"))
    await until(lambda: "load a" in bench.events)
    first.cancel()
    await asyncio.wait([first])
    gate.set()
    assert (await second).info.name == "a"
    assert bench.events == ["load a", "ready a"]


async def test_when_all_stop_waiting_the_loading_goes_on_for_the_next(make_bench: MakeBench) -> None:
    bench = make_bench()
    gate = bench.shut("a")
    only = asyncio.create_task(bench.touch("a"))
    await until(lambda: "load a" in bench.events)
    only.cancel()
    await asyncio.wait([only])
    gate.set()
    await until(lambda: bench.states() == {"a": "ready"})
    await bench.touch("a")
    assert bench.events == ["load a", "ready a"]


# --- failing ---


async def test_what_cannot_be_loaded_fails_its_own_and_is_tried_again_for_those_who_ask_later(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.failures["a"] = [BrokenModel(path="a", reason="cut off.")]
    before = time.monotonic()
    gate = bench.shut("a")
    failing = [asyncio.create_task(bench.touch("a")) for _ in range(3)]
    await until(lambda: "load a" in bench.events)  # and by then all three have asked
    gate.set()
    assert (await bench.touch("b")).info.name == "b"
    for task in failing:
        with pytest.raises(BrokenModel, match="cut off"):
            await task
    view = bench.pool.view("a")
    assert (view.state, str(view.error)) == ("failed", "The model in a cannot be loaded: cut off.")
    with pytest.raises(BrokenModel):
        async with bench.pool.use("a", before):
            pass
    assert bench.events.count("load a") == 1
    assert (await bench.touch("a")).info.name == "a"
    assert bench.pool.view("a").error is None


async def test_where_a_model_lies_is_not_told(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.failures["a"] = [BrokenModel(path="/home/somebody/models/a", reason="no file in /home/somebody/models/a.")]
    with pytest.raises(EngineError) as failed:
        await bench.touch("a")
    assert str(failed.value) == "The model in a cannot be loaded: no file in a."
    assert "/home/somebody/models/a" in str(bench.pool.cause("a")), "the owner is told"


async def test_a_bug_is_told_as_one_sentence(make_bench: MakeBench, caplog: pytest.LogCaptureFixture) -> None:
    bench = make_bench()
    bench.failures["a"] = [ValueError("odd")]
    with pytest.raises(EngineDead, match="odd"):
        await bench.touch("a")
    assert "loading a failed" in caplog.text
    caplog.clear()


# --- room ---


async def test_the_one_that_was_used_longest_ago_makes_room(make_bench: MakeBench) -> None:
    bench = make_bench(keep=2)
    for name in ("a", "b", "a", "c"):
        await bench.touch(name)
    assert bench.events == ["load a", "ready a", "load b", "ready b", "stop b", "load c", "ready c"]
    assert bench.states() == {"a": "ready", "c": "ready"}
    assert (await bench.touch("b")).info.name == "b"
    assert bench.states() == {"b": "ready", "c": "ready"}


async def test_a_remote_one_takes_no_room_and_makes_none(make_bench: MakeBench) -> None:
    bench = make_bench(keep=1)
    for name in ("a", "far", "b"):
        await bench.touch(name)
    assert bench.states() == {"b": "ready", "far": "ready"}


async def test_one_that_answers_is_never_unloaded(make_bench: MakeBench) -> None:
    bench = make_bench(keep=1)
    async with AsyncExitStack() as answering:
        engine = await bench.hold(answering, "a")
        waiting = asyncio.create_task(bench.touch("b"))
        await until(lambda: bench.states().get("b") == "loading")
        await asyncio.sleep(0.05)
        assert bench.events == ["load a", "ready a"]
        await engine.check()
    assert (await waiting).info.name == "b"
    assert bench.events == ["load a", "ready a", "stop a", "load b", "ready b"]


async def test_of_two_idle_and_one_that_answers_an_idle_one_goes(make_bench: MakeBench) -> None:
    bench = make_bench(keep=2)
    async with AsyncExitStack() as answering:
        await bench.hold(answering, "a")
        await bench.touch("b")
        await bench.touch("c")
        assert bench.states() == {"a": "ready", "c": "ready"}


async def test_two_that_do_not_fit_together_take_turns_though_both_are_always_wanted(make_bench: MakeBench) -> None:
    """Without an end to the answers of one, the other would never be loaded."""
    bench = make_bench(keep=1)
    bench.load_s = 0.01
    served = {"a": 0, "b": 0}

    async def keeps_asking(name: str) -> None:
        while min(served.values()) < 5:
            async with bench.pool.use(name) as engine:
                await engine.check()
                await asyncio.sleep(0.005)
                served[name] += 1

    async with asyncio.timeout(20):
        await asyncio.gather(*(keeps_asking(name) for name in ("a", "a", "a", "b", "b")))
    stays = [event for event in bench.events if event.startswith("ready")]
    assert len(stays) < sum(served.values()), "more was answered than loaded"


async def test_who_comes_while_it_makes_room_gets_it_again_afterwards(make_bench: MakeBench) -> None:
    bench = make_bench(keep=1)
    async with AsyncExitStack() as answering:
        await bench.hold(answering, "a")
        other = asyncio.create_task(bench.touch("b"))
        await until(lambda: bench.pool._slots["a"].leaving is not None)
        late = asyncio.create_task(bench.touch("a"))
        await asyncio.sleep(0.02)
        assert not late.done()
    assert name_of(await other) == "b"
    assert (await late).info.name == "a"
    assert bench.events == ["load a", "ready a", "stop a", "load b", "ready b", "stop b", "load a", "ready a"]


async def test_room_that_nobody_wants_any_more_is_not_made(make_bench: MakeBench) -> None:
    bench = make_bench(keep=1)
    async with AsyncExitStack() as answering:
        await bench.hold(answering, "a")
        given_up = asyncio.create_task(bench.touch("b"))
        await until(lambda: bench.pool._slots["a"].leaving is not None)
        late = asyncio.create_task(bench.touch("a"))
        given_up.cancel()
        await until(lambda: "b" not in bench.states())
        assert (await late).info.name == "a"
    assert bench.events == ["load a", "ready a"]
    assert (await bench.touch("b")).info.name == "b"


async def test_for_what_nobody_wants_any_more_nothing_is_unloaded(make_bench: MakeBench) -> None:
    bench = make_bench(keep=1)
    await bench.touch("a")
    gate = bench.shut("b")
    loading = asyncio.create_task(bench.touch("b"))
    await until(lambda: "load b" in bench.events)
    given_up = asyncio.create_task(bench.touch("c"))
    await until(lambda: bench.states().get("c") == "loading")
    given_up.cancel()
    await asyncio.wait([given_up])
    gate.set()
    await loading
    await until(lambda: "c" not in bench.states())
    assert bench.states() == {"b": "ready"}
    assert "load c" not in bench.events
    assert (await bench.touch("c")).info.name == "c"


class Memory:
    """So many models fit; the measured room is an opinion that may be wrong."""

    def __init__(self, fits: int) -> None:
        self.fits = fits

    def room(self, model: ModelConfig, loaded: Sequence[Engine]) -> Room:
        if model.name == "Owner/Big-One":
            return "never"
        return "fits" if len(loaded) < self.fits else "short"


async def test_room_is_made_where_memory_is_short(make_bench: MakeBench) -> None:
    bench = make_bench(room=Memory(1).room)
    for name in ("a", "b", "c"):
        await bench.touch(name)
    assert bench.states() == {"c": "ready"}


async def test_for_what_will_never_fit_nothing_is_unloaded(make_bench: MakeBench) -> None:
    bench = make_bench(room=Memory(2).room)
    bench.failures["Owner/Big-One"] = [OutOfMemory(model="big", needed="1 TB", available="8 GB")]
    await bench.touch("a")
    with pytest.raises(OutOfMemory):
        await bench.touch("Owner/Big-One")
    assert bench.states() == {"a": "ready", "Owner/Big-One": "failed"}


async def test_figures_that_were_too_hopeful_cost_an_idle_one(make_bench: MakeBench) -> None:
    bench = make_bench(room=Memory(9).room)
    bench.failures["c"] = [OutOfMemory(model="c", needed="2 GB", available="1 GB")]
    for name in ("a", "b", "c"):
        await bench.touch(name)
    assert bench.states() == {"b": "ready", "c": "ready"}


async def test_what_fits_nowhere_says_so_when_it_is_alone(make_bench: MakeBench) -> None:
    bench = make_bench(room=Memory(9).room)
    bench.failures["c"] = [OutOfMemory(model="c", needed="2 GB", available="1 GB") for _ in range(3)]
    await bench.touch("a")
    with pytest.raises(OutOfMemory, match="2 GB"):
        await bench.touch("c")
    assert bench.states() == {"c": "failed"}


async def test_loaded_models_share_the_memory_for_conversations(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    monkeypatch.setattr(Loading, "cache_bytes", 1, raising=False)
    monkeypatch.setattr(Loading, "share_cache", lambda engine, models: shares[engine._info.name].append(models), raising=False)
    bench = make_bench(keep=2)
    for name in ("a", "b", "c"):
        await bench.touch(name)
    assert shares == {"a": [1, 2], "b": [2, 1, 2], "c": [2]}


async def test_an_engine_that_does_not_stop_as_it_should_makes_room_all_the_same(make_bench: MakeBench, caplog: pytest.LogCaptureFixture) -> None:
    bench = make_bench(keep=1)
    engine = await bench.touch("a")

    async def stop() -> None:
        raise RuntimeError("stuck")

    engine.stop = stop  # type: ignore[method-assign]
    assert (await bench.touch("b")).info.name == "b"
    assert "did not stop" in caplog.text
    caplog.clear()


# --- the end ---


async def test_closing_stops_what_runs_what_loads_and_what_waits(make_bench: MakeBench) -> None:
    bench = make_bench(keep=2)
    await bench.touch("a")
    bench.shut("b")
    loading, waiting = asyncio.create_task(bench.touch("b")), asyncio.create_task(bench.touch("c"))
    await until(lambda: "load b" in bench.events)
    await bench.pool.close()
    await bench.pool.close()
    for task in (loading, waiting):
        with pytest.raises(NotReady):
            await task
    with pytest.raises(NotReady):
        await bench.touch("a")
    assert bench.events == ["load a", "ready a", "load b", "stop a", "stop b"]
    assert bench.pool.ready() == {}


async def test_closing_ends_a_wait_for_room(make_bench: MakeBench) -> None:
    bench = make_bench(keep=1)
    async with AsyncExitStack() as answering:
        await bench.hold(answering, "a")
        waiting = asyncio.create_task(bench.touch("b"))
        await until(lambda: bench.pool._slots["a"].leaving is not None)
        await bench.pool.close()
        with pytest.raises(NotReady):
            await waiting
    assert "load b" not in bench.events


async def test_everybody_gets_the_right_engine_whatever_happens_at_once(make_bench: MakeBench) -> None:
    bench = make_bench(keep=2)
    bench.load_s = 0.002
    bench.failures["c"] = [BrokenModel(path="c", reason="now and then.") for _ in range(3)]
    names = ["a", "b", "c", "far", "Owner/Big-One"]
    told: list[str] = []

    async def ask(number: int) -> None:
        name = names[number % 5]
        try:
            async with bench.pool.use(name) as engine:
                assert engine.info.name == name
                await asyncio.sleep(0.001 * (number % 4))
                await engine.check()
                told.append(name)
        except BrokenModel:
            assert name == "c"

    tasks = [asyncio.create_task(ask(number)) for number in range(200)]
    for number, task in enumerate(tasks):
        if number % 7 == 0:
            await asyncio.sleep(0.001)
            task.cancel()
    async with asyncio.timeout(30):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [r for r in results if r is not None and not isinstance(r, asyncio.CancelledError)]
    assert set(told) >= {"a", "b", "far", "Owner/Big-One"}
    assert all(slot.users == 0 for slot in bench.pool._slots.values())
    local = {name: state for name, state in bench.states().items() if name != "far" and state == "ready"}
    assert len(local) <= 2
    assert bench.most_at_once <= 2, "one local model at a time, and the remote one"


def test_it_keeps_what_it_knows_of_a_model_that_was_unloaded() -> None:
    async def go() -> None:
        bench = Bench(keep=1)
        await bench.touch("a")
        await bench.touch("b")
        view = bench.pool.view("a")
        assert (view.state, dataclasses.asdict(view.info)["name"] if view.info else None) == ("idle", "a")
        await bench.pool.close()

    asyncio.run(go())


# --- adapters ---


def with_adapters(bench: Bench) -> Bench:
    """Models "a+" and "a++" on the weights of a."""
    bench.models |= {name: ModelConfig(name=name, path=name, base="a") for name in ("a+", "a++")}
    bench.pool._adapt = lambda model, base: Adapter(bench, model, base)
    bench.pool.models()
    return bench


class Adapter(Loading):
    def __init__(self, bench: Bench, model: ModelConfig, base: Engine) -> None:
        super().__init__(bench, model)
        self.base = base


async def test_an_adapter_is_loaded_on_its_base_which_is_loaded_once(make_bench: MakeBench) -> None:
    bench = with_adapters(make_bench())
    engines = await asyncio.gather(*(bench.touch(name) for name in ("a+", "a++", "a", "a+")))
    assert bench.events.count("load a") == 1
    assert engines[0] is engines[3]
    assert engines[0] is not engines[1]
    assert isinstance(engines[0], Adapter)
    assert isinstance(engines[1], Adapter)
    assert engines[0].base is engines[1].base is engines[2]


async def test_a_base_stays_while_an_adapter_on_it_is_in_use(make_bench: MakeBench) -> None:
    bench = with_adapters(make_bench(keep=1))
    async with AsyncExitStack() as stack:
        await bench.hold(stack, "a+")
        other = asyncio.create_task(bench.touch("b"))
        await until(lambda: bench.pool._slots["a"].leaving is not None)
        late = asyncio.create_task(bench.touch("a+"))
        await asyncio.sleep(0.02)
        assert bench.states() == {"a": "ready", "a+": "ready", "b": "loading"}
    assert name_of(await other) == "b"
    assert bench.events[:7] == ["load a", "ready a", "load a+", "ready a+", "stop a+", "stop a", "load b"]
    assert (await late).info.name == "a+"
    assert bench.states() == {"a": "ready", "a+": "ready"}


async def test_an_adapter_does_not_count_beside_its_base(make_bench: MakeBench) -> None:
    bench = with_adapters(make_bench(keep=1))
    for name in ("a", "a+", "a++", "a"):
        await bench.touch(name)
    assert bench.states() == {"a": "ready", "a+": "ready", "a++": "ready"}
    await bench.touch("b")
    assert bench.states() == {"b": "ready"}


@pytest.mark.parametrize("fails", ["a", "a+"])
async def test_an_adapter_that_cannot_be_loaded_lets_its_base_go(make_bench: MakeBench, fails: str) -> None:
    bench = with_adapters(make_bench(keep=1))
    bench.failures[fails] = [BrokenModel(path="x", reason="it is broken.")]
    with pytest.raises(BrokenModel):
        await bench.touch("a+")
    assert bench.pool._slots["a"].users == 0
    await bench.touch("b")
    assert bench.states() == {"a+": "failed", "b": "ready"} | ({"a": "failed"} if fails == "a" else {})
    assert (await bench.touch("a+")).info.name == "a+"


async def test_while_the_base_loads_the_adapter_tells_how_far_it_is(make_bench: MakeBench) -> None:
    bench = with_adapters(make_bench())
    gate = bench.shut("a")
    loading = asyncio.create_task(bench.touch("a+"))
    await until(lambda: bench.pool.view("a+").progress == LoadProgress("loading the weights", 0.5))
    assert bench.pool.view("a+").state == "loading"
    gate.set()
    await loading
    assert bench.pool.view("a+").progress is None
