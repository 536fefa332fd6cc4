"""What was computed for one answer is the beginning of another; several prompts are read at once. The tokens stay those of `generate`."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from inference import decode_loop
from inference.transformers_engine import TransformersEngine
from inference.types import ChatMessage, Delta, Finish, GenerationRequest, Prefill, Prompt, Sampling
from tests.inference.conftest import StartEngine
from tests.inference.test_transformers_engine import expected_tokens, record_tokens
from tests.inference.tiny_models import save_model

GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0, max_tokens=24)
LONG_SYSTEM = ChatMessage("system", "Answer shortly and kindly. " * 12)


@pytest.fixture(scope="module", params=["qwen3", "qwen2", "llama"])
def kind_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp(f"reuse-{request.param}"), request.param)


class Chat:
    """A conversation with an engine, each answer checked against `generate`."""

    def __init__(self, engine: TransformersEngine, model: Any, runs: dict[str, list[int]], name: str) -> None:
        self.engine, self.model, self.runs, self.name = engine, model, runs, name
        self.messages: list[ChatMessage] = [LONG_SYSTEM]
        self.count = 0

    async def ask(self, text: str) -> None:
        self.messages.append(ChatMessage("user", text))
        await self.answer()

    async def answer(self, prefill: Prefill | None = None, *, keep: bool = True) -> str:
        self.count += 1
        request = GenerationRequest(f"{self.name}{self.count}", tuple(self.messages), GREEDY, prefill)
        prompt = await self.engine.prepare(request)
        said = "".join([event.text async for event in self.engine.stream(prompt) if isinstance(event, Delta)])
        assert self.runs[prompt.id] == expected_tokens(self.model, prompt)
        if keep:
            self.messages.append(ChatMessage("assistant", (prefill.answer if prefill else "") + said))
        return said


def loop_of(engine: TransformersEngine) -> decode_loop.DecodeLoop:
    assert engine._loop is not None
    return engine._loop


async def test_each_turn_reads_only_what_is_new(start_engine: StartEngine, kind_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine(kind_folder)
    model = AutoModelForCausalLM.from_pretrained(kind_folder, dtype=torch.float32)
    runs = record_tokens(engine, monkeypatch)
    mine, other = Chat(engine, model, runs, "mine"), Chat(engine, model, runs, "other")
    await mine.ask("hello")
    for turn in range(5):
        before = loop_of(engine).reused
        await other.ask(f"something else {turn}")  # in between
        await mine.ask(f"and then {turn}?")
        assert loop_of(engine).reused - before > 60


async def test_answered_again_and_continued(start_engine: StartEngine, kind_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine(kind_folder)
    model = AutoModelForCausalLM.from_pretrained(kind_folder, dtype=torch.float32)
    chat = Chat(engine, model, record_tokens(engine, monkeypatch), "c")
    chat.messages.append(ChatMessage("user", "tell me a story"))
    first = await chat.answer(keep=False)
    prompt_tokens = len((await engine.prepare(GenerationRequest("p", tuple(chat.messages), GREEDY))).payload.ids)
    before = loop_of(engine).reused
    assert await chat.answer(keep=False) == first
    assert loop_of(engine).reused - before == prompt_tokens - 1
    before = loop_of(engine).reused
    await chat.answer(Prefill(answer=first[:6]))
    assert loop_of(engine).reused - before >= prompt_tokens - 1


async def test_a_stopped_answer_is_the_beginning_of_the_next(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine()
    loop_of(engine)._eos_ids = frozenset()
    prompt = await engine.prepare(GenerationRequest("a", (LONG_SYSTEM, ChatMessage("user", "hello")), Sampling(max_tokens=600).over(GREEDY)))
    stream = engine.stream(prompt)
    await anext(stream)
    await stream.aclose()
    await asyncio.sleep(0.2)
    assert len(loop_of(engine)._shelf) == 1
    events = [
        event async for event in engine.stream(await engine.prepare(GenerationRequest("b", (LONG_SYSTEM, ChatMessage("user", "hello")), GREEDY)))
    ]
    assert isinstance(events[-1], Finish)
    assert loop_of(engine).reused == len(prompt.payload.ids) - 1


async def test_prompts_that_come_together_are_read_together(start_engine: StartEngine, kind_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine(kind_folder, max_streams=8)
    model = AutoModelForCausalLM.from_pretrained(kind_folder, dtype=torch.float32)
    runs = record_tokens(engine, monkeypatch)
    together: list[int] = []
    loop = loop_of(engine)
    read, mixed = loop._runner.prefill_several, loop._mixed

    def counting(row: int, parts: Any, *, rows: int) -> torch.Tensor:
        together.append(len(parts))
        return read(row, parts, rows=rows)

    def counting_mixed(parts: Any, wanted: Any, *, rows: int) -> torch.Tensor:
        together.append(len(parts))
        return mixed(parts, wanted, rows=rows)

    monkeypatch.setattr(loop._runner, "prefill_several", counting)
    monkeypatch.setattr(loop, "_mixed", mixed and counting_mixed)
    prompts = [
        await engine.prepare(GenerationRequest(str(n), (ChatMessage("user", f"{n} " + "abc " * (4 + n)),), Sampling(max_tokens=4 + n).over(GREEDY)))
        for n in range(16)
    ]

    async def collect(prompt: Prompt) -> None:
        async for _ in engine.stream(prompt):
            pass

    await asyncio.gather(*map(collect, prompts))
    assert max(together) >= 4
    for prompt in prompts:
        assert runs[prompt.id] == expected_tokens(model, prompt)


async def test_a_pass_that_fails_for_several_is_tried_for_each(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine(max_streams=4)

    def fail(*args: Any, **kwargs: Any) -> torch.Tensor:
        raise RuntimeError("too much at once")

    loop = loop_of(engine)
    monkeypatch.setattr(loop._runner, "prefill_several", fail)
    monkeypatch.setattr(loop, "_mixed", loop._mixed and fail)

    async def finish(n: int) -> Finish:
        prompt = await engine.prepare(GenerationRequest(str(n), (ChatMessage("user", f"hello {n}"),), GREEDY))
        events = [event async for event in engine.stream(prompt)]
        assert isinstance(events[-1], Finish)
        return events[-1]

    assert len(await asyncio.gather(*map(finish, range(6)))) == 6


async def test_in_c_an_answer_goes_on_in_the_passes_that_read_anothers_prompt(
    start_engine: StartEngine, decoded_by: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if decoded_by is None:
        pytest.skip("torch reads and decodes by turns")
    monkeypatch.setattr(decode_loop, "CHUNK", 32)
    engine, other = await start_engine(), await start_engine()
    for one in (engine, other):
        loop_of(one)._eos_ids = frozenset()
    loop = loop_of(engine)
    mixed, passes = loop._mixed, []
    submit, decode, decoding, both = loop.submit, loop._decode, threading.Event(), threading.Event()

    def patient() -> None:
        decoding.set()
        both.wait(60)  # the first answer is not over before the second prompt is there, however busy the machine
        decode()

    def coming(run: Any) -> None:
        submit(run)
        if run.id == "long":
            both.set()

    def noting(parts: Any, wanted: Any, *, rows: int) -> torch.Tensor:
        passes.append(sorted(len(ids) for _, ids, _ in parts))
        return mixed(parts, wanted, rows=rows)

    monkeypatch.setattr(loop, "_mixed", noting)
    monkeypatch.setattr(loop, "_decode", patient)
    monkeypatch.setattr(loop, "submit", coming)

    async def ask(asked: TransformersEngine, name: str, text: str) -> str:
        prompt = await asked.prepare(GenerationRequest(name, (ChatMessage("user", text),), Sampling(max_tokens=100).over(GREEDY)))
        return "".join([event.text async for event in asked.stream(prompt) if isinstance(event, Delta)])

    first = asyncio.create_task(ask(engine, "short", "hello"))
    assert await asyncio.to_thread(decoding.wait, 60)
    second = await ask(engine, "long", "abc " * 100)
    assert sum(lengths[0] == 1 < lengths[-1] for lengths in passes) >= 3
    assert await first == await ask(other, "short", "hello")
    assert second == await ask(other, "long", "abc " * 100)


@pytest.mark.parametrize("seed", range(3))
async def test_conversations_that_come_and_go_with_little_memory(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Many turns at once, small pieces, stops in the middle, and a shelf that always has to make room."""
    monkeypatch.setattr(decode_loop, "CHUNK", 24)
    monkeypatch.setattr(decode_loop, "SHELF_TOKENS", 700)
    folder_engine = await start_engine(max_streams=4, max_context=1024)
    model = AutoModelForCausalLM.from_pretrained(folder_engine._path, dtype=torch.float32)
    runs = record_tokens(folder_engine, monkeypatch)

    async def talk(number: int) -> None:
        chance = random.Random(10 * seed + number)  # each its own: what is said must not depend on who comes first
        chat = Chat(folder_engine, model, runs, f"c{number}-")
        for turn in range(4):
            await asyncio.sleep(chance.random() * 0.05)
            await chat.ask(f"{number} {turn} " + "abc " * chance.choice([1, 8, 30]))
            if chance.random() < 0.3:
                chat.messages.pop()
                await chat.answer()  # again
            assert loop_of(folder_engine)._shelf.tokens <= 700

    await asyncio.gather(*(talk(number) for number in range(6)))
    assert loop_of(folder_engine).reused > 500


async def test_what_is_kept_never_takes_more_than_its_share(start_engine: StartEngine) -> None:
    engine = await start_engine(max_streams=2)
    loop = loop_of(engine)
    engine._cells = 1200
    loop.limit(1200)
    for n in range(8):
        prompt = await engine.prepare(GenerationRequest(str(n), (ChatMessage("user", f"{n} " + "word " * 60),), GREEDY))
        async for _ in engine.stream(prompt):
            pass
        assert loop._shelf.tokens + loop._runner.cells <= max(1200, loop._runner.cells)
        assert loop._shelf.tokens <= 600


async def test_a_prompt_with_a_seed_is_computed_as_if_it_were_the_first(start_engine: StartEngine) -> None:
    """Unless that makes no difference to the last bit."""
    engine = await start_engine()
    loop = loop_of(engine)
    texts = set()
    for n in range(3):
        seeded = Sampling(temperature=1.0, seed=7, max_tokens=8)
        prompt = await engine.prepare(GenerationRequest(str(n), (LONG_SYSTEM, ChatMessage("user", "hello")), seeded))
        texts.add("".join([event.text async for event in engine.stream(prompt) if isinstance(event, Delta)]))
    assert len(texts) == 1
    assert (loop.reused > 0) == loop._runner.exact
    async for _ in engine.stream(await engine.prepare(GenerationRequest("x", (LONG_SYSTEM, ChatMessage("user", "hello")), GREEDY))):
        pass
    assert loop.reused > 0
