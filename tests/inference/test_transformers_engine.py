from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from inference import decode_loop
from inference.errors import BrokenModel, ContextOverflow, EmptyPrompt, ModelNotFound, NotReady
from inference.transformers_engine import TransformersEngine
from inference.types import ChatMessage, Delta, Finish, GenerationRequest, LoadProgress, Prefill, Prompt, Sampling
from tests.inference.conftest import StartEngine
from tests.inference.tiny_models import OPENS, save_model

GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0, max_tokens=24)


def request(text: str, sampling: Sampling = GREEDY, prefill: Prefill | None = None, name: str = "r") -> GenerationRequest:
    return GenerationRequest(name, (ChatMessage("user", text),), sampling, prefill)


async def ask(
    engine: TransformersEngine, text: str, sampling: Sampling = GREEDY, prefill: Prefill | None = None
) -> tuple[Prompt, list[Delta], Finish]:
    prompt = await engine.prepare(request(text, sampling, prefill))
    events = [event async for event in engine.stream(prompt)]
    finish = events.pop()
    assert isinstance(finish, Finish)
    deltas = [event for event in events if isinstance(event, Delta)]
    assert len(deltas) == len(events)
    return prompt, deltas, finish


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def record_tokens(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """The tokens of each run, by its id."""
    runs: dict[str, list[int]] = {}
    make = engine._run

    def recording(prompt: Prompt, owner: object) -> Any:
        run = make(prompt, owner)
        runs[prompt.id] = run.output
        return run

    monkeypatch.setattr(engine, "_run", recording)
    return runs


def expected_tokens(model: Any, prompt: Prompt, **settings: Any) -> list[int]:
    """By transformers' own `generate`."""
    ids = torch.tensor([prompt.payload.ids])
    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=prompt.sampling.max_tokens,
            do_sample=False,
            eos_token_id=[2, 0],
            pad_token_id=0,
            **settings,
        )
    return out[0, ids.shape[1] :].tolist()


@pytest.fixture(scope="module", params=["qwen3", "qwen2", "llama"])
def kind_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp(request.param), request.param)


def test_importing_needs_no_torch() -> None:
    code = "import sys, inference.transformers_engine; sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'tokenizers')))"
    subprocess.run([sys.executable, "-c", code], check=True)


# Correctness


@pytest.mark.parametrize("penalty", [1.0, 1.3])
async def test_greedy_alone_is_generate(start_engine: StartEngine, kind_folder: Path, monkeypatch: pytest.MonkeyPatch, penalty: float) -> None:
    engine = await start_engine(kind_folder)
    model = AutoModelForCausalLM.from_pretrained(kind_folder, dtype=torch.float32)
    runs = record_tokens(engine, monkeypatch)
    for length in (1, 30, 150):
        prompt, _, finish = await ask(engine, "word " * length, Sampling(repetition_penalty=penalty).over(GREEDY))
        expected = expected_tokens(model, prompt, repetition_penalty=penalty)
        assert runs["r"] == expected
        assert finish.reason == ("stop" if expected[-1] in (0, 2) else "length")
        assert (finish.usage.prompt_tokens, finish.usage.completion_tokens) == (len(prompt.payload.ids), len(expected))


async def test_a_text_without_a_conversation_is_gone_on_with(start_engine: StartEngine, kind_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await start_engine(kind_folder)
    model = AutoModelForCausalLM.from_pretrained(kind_folder, dtype=torch.float32)
    runs = record_tokens(engine, monkeypatch)
    prompt = await engine.prepare(GenerationRequest("r", (), GREEDY, text="<|im_start|>user\nThe quick brown"))
    assert prompt.text == "<|im_start|>user\nThe quick brown"
    deltas = [event async for event in engine.stream(prompt) if isinstance(event, Delta)]
    assert runs["r"] == expected_tokens(model, prompt)
    assert {delta.channel for delta in deltas} <= {"answer"}


async def test_greedy_in_company_that_comes_and_goes_is_generate(
    start_engine: StartEngine, kind_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts of all lengths, read in small pieces, joining and leaving at all times, some stopped in the middle, more than there are rows."""
    monkeypatch.setattr(decode_loop, "CHUNK", 24)
    engine = await start_engine(kind_folder, max_streams=5)
    model = AutoModelForCausalLM.from_pretrained(kind_folder, dtype=torch.float32)
    runs = record_tokens(engine, monkeypatch)
    rng = random.Random(5)

    async def one(number: int) -> Prompt | None:
        await asyncio.sleep(rng.random() * 0.3)
        sampling = Sampling(max_tokens=rng.randint(1, 30)).over(GREEDY)
        prompt = await engine.prepare(request(f"{number} " + "abc " * rng.choice([1, 5, 20, 120]), sampling, name=str(number)))
        stop_after = rng.randint(1, 5) if number % 4 == 0 else None
        stream = engine.stream(prompt)
        seen = 0
        async for _ in stream:
            seen += 1
            if seen == stop_after:
                await stream.aclose()
                return None
        return prompt

    prompts = await asyncio.gather(*(one(number) for number in range(24)))
    finished = [prompt for prompt in prompts if prompt is not None]
    assert len(finished) >= 12
    for prompt in finished:
        assert runs[prompt.id] == expected_tokens(model, prompt)


async def test_more_than_the_rows_wait_in_order(start_engine: StartEngine) -> None:
    engine = await start_engine(max_streams=2)
    firsts: list[int] = []

    async def one(number: int) -> None:
        prompt = await engine.prepare(request(f"{number}", Sampling(max_tokens=10).over(GREEDY)))
        async for event in engine.stream(prompt):
            if number not in firsts:
                firsts.append(number)
            if isinstance(event, Finish):
                return

    async def staggered() -> list[asyncio.Task[None]]:
        tasks = []
        for number in range(7):
            tasks.append(asyncio.create_task(one(number)))
            await asyncio.sleep(0.02)
        return tasks

    await asyncio.gather(*await staggered())
    assert sorted(firsts) == list(range(7))
    # Two are let in at once where two rows become free in one step, and then either may be heard of first.
    waited = [n for n in firsts if n >= 2]
    assert all(abs(place - number) <= 1 for place, number in enumerate(waited, start=2)), waited


async def test_a_short_question_does_not_wait_for_a_long_prompt(start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_loop, "CHUNK", 16)
    engine = await start_engine()
    assert engine._loop is not None
    step = engine._loop._step
    monkeypatch.setattr(engine._loop, "_step", lambda: (time.sleep(0.02), step()))  # or so small a model has read it before anybody else asks
    long = asyncio.create_task(ask(engine, "word " * 140, Sampling(max_tokens=2).over(GREEDY)))
    await asyncio.sleep(0.01)
    await ask(engine, "hi", Sampling(max_tokens=3).over(GREEDY))
    assert not long.done()
    await long


async def test_the_same_seed_alone_gives_the_same_text(start_engine: StartEngine) -> None:
    engine = await start_engine()
    hot = Sampling(temperature=1.5, top_p=0.95, max_tokens=30, seed=7)
    texts = {text_of((await ask(engine, "hello", hot))[1]) for _ in range(3)}
    assert len(texts) == 1
    assert text_of((await ask(engine, "hello", Sampling(seed=8).over(hot)))[1]) not in texts


async def test_a_seed_that_nobody_gave_is_said_and_works(start_engine: StartEngine) -> None:
    engine = await start_engine()
    hot = Sampling(temperature=1.5, max_tokens=30)
    prompt, deltas, _ = await ask(engine, "hello", hot)
    other, _, _ = await ask(engine, "hello", hot)
    assert prompt.sampling.seed is not None
    assert prompt.sampling.seed != other.sampling.seed
    _, again, _ = await ask(engine, "hello", prompt.sampling)
    assert text_of(again) == text_of(deltas)


# Text


async def test_random_models_never_write_a_broken_character_or_a_special_token(start_engine: StartEngine) -> None:
    engine = await start_engine()
    hot = Sampling(temperature=3.0, top_k=0, top_p=1.0, repetition_penalty=1.0, max_tokens=200)
    for _ in range(3):
        answers = await asyncio.gather(*(ask(engine, f"{n}", hot) for n in range(8)))
        for _, deltas, _ in answers:
            text = text_of(deltas)
            assert "\ufffd" not in text
            assert "<|im_" not in text
            assert "<|endoftext|>" not in text
            assert all(delta.text for delta in deltas)


async def test_a_stop_string_ends_the_answer_before_it(start_engine: StartEngine) -> None:
    engine = await start_engine()
    _, deltas, _ = await ask(engine, "hello", Sampling(max_tokens=40).over(GREEDY))
    whole = text_of(deltas)
    for start in range(3, len(whole) - 3, 3):  # three characters anywhere, also across the borders of tokens
        string = whole[start : start + 3]
        _, deltas, finish = await ask(engine, "hello", Sampling(stop=(string,), max_tokens=40).over(GREEDY))
        assert text_of(deltas) == whole[: whole.index(string)]
        assert finish.reason == "stop"


async def test_the_window_ends_the_answer(start_engine: StartEngine) -> None:
    engine = await start_engine(max_context=64)
    prompt, _, finish = await ask(engine, "hello", Sampling(max_tokens=1000, temperature=2.0, seed=3))
    assert prompt.sampling.max_tokens == 64 - len(prompt.payload.ids)
    assert prompt.context.limit == 64
    if finish.reason == "length":
        assert finish.usage.completion_tokens == prompt.sampling.max_tokens
    with pytest.raises(ContextOverflow):
        await engine.prepare(request("hello " * 100))


async def test_goes_on_from_exactly_the_text_so_far(start_engine: StartEngine) -> None:
    engine = await start_engine()
    long = Sampling(max_tokens=40).over(GREEDY)
    _, deltas, _ = await ask(engine, "hello", long)
    whole = text_of(deltas)
    prompt, more, _ = await ask(engine, "hello", long, Prefill(answer=whole[:5]))
    assert prompt.text.endswith("<|im_start|>assistant\n" + whole[:5])
    assert all(delta.channel == "answer" for delta in more)
    thinking, rest, _ = await ask(engine, "hello", long, Prefill(thinking="hm", in_thinking=True))
    assert thinking.text.endswith("<think>\nhm")
    assert {delta.channel for delta in rest} == {"thinking"}


async def test_a_template_that_opens_the_thinking(start_engine: StartEngine, tmp_path: Path) -> None:
    engine = await start_engine(save_model(tmp_path, template=OPENS))
    assert engine.info.thinking == "always"
    assert engine.info.defaults.thinking is True
    _, deltas, _ = await ask(engine, "hello")
    assert deltas[0].channel == "thinking"


# The contract


async def test_info_and_progress(tiny_folder: Path) -> None:
    engine = TransformersEngine(tiny_folder, name="mine", threads=1, defaults=Sampling(temperature=0.3))
    with pytest.raises(NotReady):
        _ = engine.info
    with pytest.raises(NotReady):
        await engine.check()
    steps: list[LoadProgress] = []
    await engine.start(steps.append)
    await asyncio.sleep(0)
    assert steps[-1] == LoadProgress("ready", 1.0)
    assert any(step.step == "loading the weights" and step.fraction for step in steps)
    info = engine.info
    assert (info.name, info.kind, info.device, info.dtype, info.context_window, info.thinking) == (
        "mine",
        "transformers",
        "cpu",
        "float32",
        1024,
        "optional",
    )
    assert info.defaults.temperature == 0.3
    assert all(value is not None for name, value in info.defaults.said().items() if name != "seed")
    assert set(info.defaults.said()) == info.parameters - {"seed"}
    await engine.check()
    await engine.stop()
    await engine.stop()
    with pytest.raises(NotReady):
        await engine.check()


async def test_a_prompt_says_everything_for_the_audit(start_engine: StartEngine) -> None:
    engine = await start_engine()
    prompt = await engine.prepare(GenerationRequest("id", (ChatMessage("user", "Hi"),), Sampling(top_k=7)))
    assert prompt.text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert len(prompt.template_hash) == 64
    assert set(prompt.sampling.said()) == engine.info.parameters
    assert prompt.sampling.top_k == 7


@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_empty_message_is_refused(start_engine: StartEngine, text: str) -> None:
    engine = await start_engine()
    with pytest.raises(EmptyPrompt):
        await engine.prepare(request(text))


async def test_a_folder_that_is_not_there_or_broken(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        await TransformersEngine(tmp_path / "nothing", name="x").start(lambda step: None)
    broken = save_model(tmp_path, template=None)
    engine = TransformersEngine(broken, name="x", threads=1)
    with pytest.raises(BrokenModel, match="no chat template"):
        await engine.start(lambda step: None)
    await engine.stop()


async def test_stopping_while_it_loads(tiny_folder: Path) -> None:
    engine = TransformersEngine(tiny_folder, name="x", threads=1)
    begun = asyncio.Event()
    starting = asyncio.create_task(engine.start(lambda step: begun.set()))
    await begun.wait()
    thread = engine._thread
    await engine.stop()
    with pytest.raises(NotReady):
        await starting
    assert thread is not None
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


async def test_it_can_be_started_again(tiny_folder: Path) -> None:
    engine = TransformersEngine(tiny_folder, name="x", threads=1)
    texts = []
    for _ in range(2):
        await engine.start(lambda step: None)
        texts.append(text_of((await ask(engine, "hello"))[1]))
        await engine.stop()
    assert texts[0] == texts[1]


async def test_one_engine_serves_several_event_loops(start_engine: StartEngine) -> None:
    engine = await start_engine()
    _, expected, _ = await ask(engine, "hello")
    texts = await asyncio.gather(*(asyncio.to_thread(lambda: asyncio.run(ask(engine, "hello"))) for _ in range(3)))
    assert all(text_of(deltas) == text_of(expected) for _, deltas, _ in texts)


async def test_timing(start_engine: StartEngine) -> None:
    engine = await start_engine()
    _, _, finish = await ask(engine, "hello", Sampling(max_tokens=20).over(GREEDY))
    assert finish.timing.first_token_s is not None
    assert finish.timing.first_token_s > 0
    assert finish.timing.tokens_per_second == pytest.approx((finish.usage.completion_tokens - 1) / finish.timing.decode_s)
