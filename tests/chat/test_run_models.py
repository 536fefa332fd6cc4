"""Runs with several models: which one answers, and what happens while one is loaded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async

from chat.identity import Client
from chat.liverun import LiveRun
from chat.models import Conversation, Message
from chat.protocol import Continue, Edit, End, Options, Regenerate, SendMessage
from chat.runs import Rejected, RunManager
from inference.engine import Engine
from inference.errors import BrokenModel
from inference.fake import FakeEngine
from inference.types import SAMPLING_NAMES, ProgressCallback
from llmsite.config import ModelConfig
from llmsite.pool import EnginePool
from tests.chat.test_runs import over, read, say, stored, submit, until


class Engines:
    """Models a (the default one), b and plain, which knows no top_k. `gates` hold up their loading, `failures` end it."""

    def __init__(self) -> None:
        self.models = {name: ModelConfig(name=name, engine="fake") for name in ("a", "b", "plain")}
        self.gates: dict[str, threading.Event] = {}
        self.failures: dict[str, list[Exception]] = {}
        self.built: list[str] = []
        self.max_streams = 8
        self.delay_s = 0.001

    def build(self, model: ModelConfig) -> Engine:
        self.built.append(model.name)
        parameters = frozenset(SAMPLING_NAMES) - ({"top_k"} if model.name == "plain" else set())
        return Gated(self, name=model.name, delay_s=self.delay_s, max_streams=self.max_streams, parameters=parameters)

    def shut(self, name: str) -> threading.Event:
        self.gates[name] = threading.Event()
        return self.gates[name]


class Gated(FakeEngine):
    def __init__(self, engines: Engines, **settings: Any) -> None:
        super().__init__(**settings)
        self.engines = engines

    async def start(self, progress: ProgressCallback) -> None:
        name = self._info.name
        if name in self.engines.gates:
            await asyncio.to_thread(self.engines.gates[name].wait, 20)
        if self.engines.failures.get(name):
            raise self.engines.failures[name].pop(0)
        await super().start(progress)


@pytest.fixture
def engines() -> Engines:
    return Engines()


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[EnginePool]:
    pool = EnginePool(lambda: engines.models, engines.build)
    yield pool
    for gate in engines.gates.values():
        gate.set()
    await pool.close()


@pytest.fixture
async def runs(pool: EnginePool, transactional_db: None) -> AsyncIterator[RunManager]:
    manager = RunManager(pool)
    yield manager
    await manager.shutdown()


def model_of(run: LiveRun) -> str:
    return str(read(run)[0].model)


async def set_model(conversation: UUID, model: str) -> None:
    await sync_to_async(Conversation.objects.filter(id=conversation).update)(model=model)


async def test_the_default_answers_where_nothing_is_said(runs: RunManager, client: Client) -> None:
    run = await say(runs, client, "x")
    await over(run)
    assert (model_of(run), (await stored(run)).model) == ("a", "a")
    assert (await sync_to_async(Conversation.objects.get)(id=run.conversation)).model == ""


async def test_a_model_stays_with_the_conversation(runs: RunManager, client: Client) -> None:
    first = await say(runs, client, "one", model="B")
    await over(first)
    second = await say(runs, client, "two", conversation=first.conversation)
    await over(second)
    assert [model_of(run) for run in (first, second)] == ["b", "b"]
    assert (await stored(second)).model == "b"
    assert (await sync_to_async(Conversation.objects.get)(id=first.conversation)).model == "b", "under its own name"
    back = await say(runs, client, "three", conversation=first.conversation, model="")
    await over(back)
    assert model_of(back) == "a"
    assert (await sync_to_async(Conversation.objects.get)(id=first.conversation)).model == "", "whichever is the default one"


async def test_one_answer_by_another_model(runs: RunManager, client: Client) -> None:
    run = await say(runs, client, "one")
    await over(run)
    again = await submit(runs, client, Regenerate(type="regenerate", message=run.new.message, model="b"))
    edited = await submit(runs, client, Edit(type="edit", message=run.new.parent, content="uno", model="plain"))
    later = await say(runs, client, "two", conversation=run.conversation)
    for each in (again, edited, later):
        await over(each)
    assert [model_of(each) for each in (again, edited, later)] == ["b", "plain", "a"]


@pytest.mark.parametrize(("language", "sentence"), [("en", "There is no model named nix on this computer"), ("zh-CN", "没有名为 nix 的模型")])
async def test_a_name_that_nobody_has_is_refused_before_anything_is_stored(runs: RunManager, client: Client, language: str, sentence: str) -> None:
    run = await say(runs, client, "x")
    await over(run)
    count = await Message.objects.acount()
    for frame in (
        SendMessage(message="x", model="nix", key="k"),
        Regenerate(type="regenerate", message=run.new.message, model="nix", key="k"),
        Edit(type="edit", message=run.new.parent, content="y", model="nix", key="k"),
    ):
        with pytest.raises(Rejected, match=sentence) as refused:
            await runs.submit(frame, client, language)
        assert (refused.value.error.code, refused.value.error.key) == ("no_model", "k")
        assert "a, b, plain" in refused.value.error.message
    assert await Message.objects.acount() == count


async def test_a_model_that_is_gone_fails_its_runs_and_says_what_there_is(runs: RunManager, client: Client) -> None:
    run = await say(runs, client, "x")
    await over(run)
    await set_model(run.conversation, "gone")
    failed, fine = await say(runs, client, "y", conversation=run.conversation), await say(runs, client, "z")
    assert ((await over(failed)).finish_reason, (await over(fine)).finish_reason) == ("error", "stop")
    assert failed.log.error is not None
    assert failed.log.error.code == "no_model"
    assert "named gone" in failed.log.error.message
    assert "a, b, plain" in failed.log.error.message
    answered = await say(runs, client, "again", conversation=run.conversation, model="b")
    assert (await over(answered)).finish_reason == "stop"


async def test_each_model_has_a_queue_of_its_own(engines: Engines, runs: RunManager, client: Client) -> None:
    engines.max_streams = 1
    engines.delay_s = 0.01
    long, waiting = await say(runs, client, "!say 1000"), await say(runs, client, "x")
    other = await say(runs, client, "y", model="b")
    assert (await over(other)).finish_reason == "stop"
    assert (long.log.end, waiting.log.start) == (None, None)
    assert waiting.place is not None
    assert waiting.place.position == 0
    for run in (long, waiting):
        runs.stop_now(run.new.run, client)
        await over(run)
    assert {name: queue.slots for name, queue in runs.queues.items()} == {"a": 1, "b": 1}


async def test_who_waits_for_a_model_sees_the_place_and_nobody_else_waits(engines: Engines, runs: RunManager, client: Client) -> None:
    await over(await say(runs, client, "the default one is there"))
    gate = engines.shut("b")
    waiting = [await say(runs, client, f"{i}", model="b") for i in range(4)]
    await until(lambda: [run.place.position if run.place else None for run in waiting] == [0, 0, 1, 2])
    assert (await over(await say(runs, client, "meanwhile"))).finish_reason == "stop"
    gate.set()
    for run in waiting:
        assert (await over(run)).finish_reason == "stop"
        assert model_of(run) == "b"
    assert engines.built.count("b") == 1


async def test_stop_while_it_loads(engines: Engines, pool: EnginePool, runs: RunManager, client: Client) -> None:
    gate = engines.shut("b")
    run, next_one = await say(runs, client, "x", model="b"), await say(runs, client, "y", model="b")
    await until(lambda: pool.view("b").state == "loading")
    assert runs.stop_now(run.new.run, client)
    assert (await over(run)).finish_reason == "stopped"
    assert (model_of(run), (await stored(run)).model) == ("b", "b"), "the one that would have answered"
    gate.set()
    assert (await over(next_one)).finish_reason == "stop"
    assert engines.built.count("b") == 1
    assert runs.queues["b"].active.total() == 0


async def test_a_model_that_cannot_be_loaded_fails_who_waits_for_it_and_nobody_else(engines: Engines, runs: RunManager, client: Client) -> None:
    gate = engines.shut("b")
    engines.failures["b"] = [BrokenModel(path="b", reason="cut off.")]
    waiting = [await say(runs, client, f"{i}", model="b") for i in range(3)]
    gate.set()
    for run in waiting:
        assert (await over(run)).finish_reason == "error"
        assert run.log.error is not None
        assert (run.log.error.code, run.log.error.message) == ("model_broken", "The model in b cannot be loaded: cut off.")
    assert engines.built.count("b") == 1, "one loading fails all who asked before it failed"
    assert (await over(await say(runs, client, "x"))).finish_reason == "stop"
    assert (await over(await say(runs, client, "x", model="b"))).finish_reason == "stop", "it is tried again"


async def test_shutdown_while_it_loads(engines: Engines, pool: EnginePool, runs: RunManager, client: Client) -> None:
    engines.shut("b")
    loading, behind = await say(runs, client, "x", model="b"), await say(runs, client, "y", model="b")
    await until(lambda: pool.view("b").state == "loading")
    await runs.shutdown()
    for run in (loading, behind):
        assert (await stored(run)).finish_reason == "interrupted"


async def test_a_conversation_waits_for_its_answer_also_when_another_model_goes_on(engines: Engines, runs: RunManager, client: Client) -> None:
    gate = engines.shut("b")
    first = await say(runs, client, "one", model="b")
    second = await say(runs, client, "two", conversation=first.conversation, model="a")
    await asyncio.sleep(0.05)
    assert second.log.start is None, "the answer of b belongs to its prompt"
    gate.set()
    await over(second)
    assert (model_of(first), model_of(second)) == ("b", "a")
    assert (await stored(second)).prompt == "[user]one\n[assistant]echo: one\n[user]two\n[assistant]"


async def test_the_model_is_the_one_that_was_chosen_when_it_was_said(engines: Engines, runs: RunManager, client: Client) -> None:
    gate = engines.shut("b")
    first = await say(runs, client, "one", model="b")
    second = await say(runs, client, "two", conversation=first.conversation)
    third = await say(runs, client, "three", conversation=first.conversation, model="a")
    gate.set()
    for run in (first, second, third):
        await over(run)
    assert [model_of(run) for run in (first, second, third)] == ["b", "b", "a"]


async def test_another_model_continues_from_exactly_the_text(runs: RunManager, client: Client) -> None:
    cut = await say(runs, client, "!say 10", options=Options(max_tokens=4))
    await over(cut)
    await set_model(cut.conversation, "b")
    more = await submit(runs, client, Continue(type="continue", message=cut.new.message))
    await over(more)
    assert (model_of(more), read(more)[0].content) == ("b", "w0 w1 w2 w3 ")
    assert (await stored(more)).message.content == "".join(f"w{i} " for i in range(10))


async def test_what_one_model_does_not_understand_another_may(runs: RunManager, client: Client) -> None:
    options = Options(top_k=5)
    plain = await say(runs, client, "x", model="plain")
    await over(plain)
    for frame in (
        SendMessage(message="x", model="plain", options=options),
        SendMessage(message="x", conversation=plain.conversation, options=options),
        Regenerate(type="regenerate", message=plain.new.message, options=options),
        Edit(type="edit", message=plain.new.parent, content="y", options=options),
    ):
        with pytest.raises(Rejected, match="parameter top_k"):
            await runs.submit(frame, client, "en")
    assert (await over(await say(runs, client, "x", options=options))).finish_reason == "stop"
    other = await say(runs, client, "x", conversation=plain.conversation, model="b", options=options)
    assert (await over(other)).finish_reason == "stop"


async def test_what_a_conversation_wishes_is_dropped_where_it_is_not_understood(runs: RunManager, client: Client) -> None:
    first = await say(runs, client, "x", model="plain")
    await over(first)
    await sync_to_async(Conversation.objects.filter(id=first.conversation).update)(options={"top_k": 5, "temperature": 0.3})
    for model, top_k in (("plain", 0), ("b", 5)):
        run = await say(runs, client, "y", conversation=first.conversation, model=model)
        assert (await over(run)).finish_reason == "stop"
        sampling = (await stored(run)).sampling
        assert (sampling["top_k"], sampling["temperature"]) == (top_k, 0.3)


async def test_two_models_that_do_not_fit_together_answer_everybody(engines: Engines, client: Client, stranger: Client) -> None:
    pool = EnginePool(lambda: engines.models, engines.build, keep=1)
    runs = RunManager(pool)
    asked = [await say(runs, who, f"!say 5 {i}", model=model) for i in range(8) for who, model in ((client, "a"), (stranger, "b"))]
    for i, run in enumerate(asked):
        if i % 5 == 4:
            runs.stop_now(run.new.run, client if i % 2 == 0 else stranger)
    for i, run in enumerate(asked):
        end = await over(run)
        assert end.finish_reason in (("stopped", "stop") if i % 5 == 4 else ("stop",))
        assert model_of(run) == "ab"[i % 2]
        assert len([frame for frame in read(run) if isinstance(frame, End)]) == 1
    assert all(queue.active.total() == 0 and not len(queue) for queue in runs.queues.values())
    assert all(slot.users == 0 for slot in pool._slots.values())
    await runs.shutdown()
    await pool.close()
