"""The embedded model in float32: a hundred questions, alone, in company, and on what was computed before, are answered as by `generate`."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from inference.transformers_engine import TransformersEngine
from inference.types import ChatMessage, Delta, Finish, GenerationRequest, Prefill, Sampling
from tests.inference.test_transformers_engine import expected_tokens, record_tokens

MODEL = Path(__file__).parents[2] / "models" / "micromind"
GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0, max_tokens=12)
ASKED = ("What is {}?", "你好，{}是什么？", "Tell me a story about {}.", "给我讲一个关于{}的故事。", "{}")
THINGS = ("rain", "a fox", "the moon", "rice", "Python", "月亮", "米饭", "长城", "图书馆", "春天")


def questions() -> list[tuple[ChatMessage, ...]]:
    chance = random.Random(8)
    asked = [text.format(thing) for text in ASKED for thing in THINGS]
    single = [(ChatMessage("user", text),) for text in asked]
    longer = [
        (ChatMessage("user", chance.choice(asked)), ChatMessage("assistant", "OK. " * chance.randint(1, 30)), ChatMessage("user", text))
        for text in asked
    ]
    return single + longer


async def test_a_hundred_answers_are_those_of_generate(decoded_by: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TransformersEngine(MODEL, name="micromind", dtype="fp32", native=decoded_by, max_streams=8)
    await engine.start(lambda step: None)
    try:
        runs = record_tokens(engine, monkeypatch)
        reference = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
        asked = questions()
        assert len(asked) == 100
        expected: dict[int, list[int]] = {}

        async def ask(kind: str, number: int, prefill: Prefill | None = None, stop_after: int | None = None) -> str:
            prompt = await engine.prepare(GenerationRequest(f"{kind}{number}", asked[number], GREEDY, prefill))
            text, stream = "", engine.stream(prompt)
            async for event in stream:
                if isinstance(event, Delta):
                    text += event.text
                if stop_after is not None and isinstance(event, Delta) and len(text) >= stop_after:
                    await stream.aclose()
                    return text
                assert isinstance(event, Delta | Finish)
            if prefill is None:
                if number not in expected:
                    expected[number] = expected_tokens(reference, prompt, repetition_penalty=1.0)
                assert runs[prompt.id] == expected[number]
            else:
                assert runs[prompt.id] == expected_tokens(reference, prompt, repetition_penalty=1.0)
            return text

        for number in range(100):
            await ask("alone", number)
        await asyncio.gather(*(ask("company", number) for number in range(100)))
        for number in range(0, 100, 10):  # stopped in the middle and continued, among others
            begun, *_ = await asyncio.gather(ask("stopped", number, stop_after=3), *(ask("beside", other) for other in range(number, number + 4)))
            await asyncio.gather(ask("continued", number, Prefill(answer=begun)), *(ask("again", other) for other in range(number, number + 4)))
    finally:
        await engine.stop()
