"""The remote engine against a real server that is not ours: `transformers serve`, with a tiny random model, on loopback.

What it is like (transformers 5.23.0): it takes a folder as the model's name; it sends no `[DONE]`; usage comes with the last chunk whether
asked for or not; unknown fields are refused with 422; a model other than the one it was started with is refused with 400; it decodes token by
token, so a model that emits broken UTF-8, as a random one does, makes it send U+FFFD.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

from inference import errors
from inference.openai_engine import OpenAIEngine
from inference.types import ChatMessage, Delta, Finish, GenerationRequest, Sampling
from tests.inference.real_server import RealServer

pytestmark = pytest.mark.process

LONG = 3000
"""Tokens; the model has no reason to stop, and the server needs many seconds for them."""


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, psutil.Process]]:
    """(base_url, model, process)"""
    with RealServer(tmp_path_factory.mktemp("serve")) as server:
        yield server.url, server.model, server.process


@pytest.fixture
async def engine(real_server: tuple[str, str, psutil.Process]) -> AsyncIterator[OpenAIEngine]:
    engine = OpenAIEngine(name="real", base_url=real_server[0], model=real_server[1], parameters=("thinking",))
    await engine.start(lambda progress: None)
    yield engine
    await engine.stop()


def ask(*texts: str, **sampling: object) -> GenerationRequest:
    """The texts are turns of user and assistant by turns."""
    messages = tuple(ChatMessage("assistant" if i % 2 else "user", text) for i, text in enumerate(texts))
    return GenerationRequest("r", messages, Sampling(**sampling))  # type: ignore[arg-type]


async def answer(engine: OpenAIEngine, request: GenerationRequest) -> tuple[list[Delta], Finish]:
    items = [item async for item in engine.stream(await engine.prepare(request))]
    *deltas, finish = items
    assert isinstance(finish, Finish)
    assert all(isinstance(d, Delta) for d in deltas)
    return deltas, finish  # type: ignore[return-value]


def text(deltas: list[Delta]) -> str:
    return "".join(d.text for d in deltas)


async def test_it_streams_and_counts(engine: OpenAIEngine) -> None:
    await engine.check()
    deltas, finish = await answer(engine, ask("Hello", max_tokens=400, temperature=1.0, seed=1))
    assert len(deltas) > 20, "piece by piece"
    assert finish.reason == "length"
    assert finish.usage.completion_tokens == 400
    assert finish.usage.prompt_tokens > 5
    assert finish.timing.first_token_s is not None
    assert finish.timing.tokens_per_second is not None


async def test_max_tokens_counts_new_tokens_only(engine: OpenAIEngine) -> None:
    _, short = await answer(engine, ask("Hello" * 50, max_tokens=5))
    assert (short.usage.completion_tokens, short.reason) == (5, "length")
    assert short.usage.prompt_tokens > 250


async def test_a_conversation_of_many_turns_arrives_whole(engine: OpenAIEngine) -> None:
    _, one = await answer(engine, ask("Hello", max_tokens=3))
    _, three = await answer(engine, ask("Hello", "x" * 100, "And now?", max_tokens=3))
    assert three.usage.prompt_tokens > one.usage.prompt_tokens + 100


async def test_no_half_character_leaves(engine: OpenAIEngine) -> None:
    """A random model over bytes emits broken UTF-8 all the time."""
    deltas, _ = await answer(engine, ask("Hello", max_tokens=300, temperature=2.0, seed=4))
    assert "\ufffd" not in text(deltas)
    assert text(deltas).encode("utf-8")


async def test_greedy_and_seeded_answers_repeat(engine: OpenAIEngine) -> None:
    greedy = [text((await answer(engine, ask("Hello", max_tokens=30, temperature=0.0)))[0]) for _ in range(2)]
    seeded = [text((await answer(engine, ask("Hello", max_tokens=60, temperature=1.5, seed=seed)))[0]) for seed in (1, 1, 2)]
    assert greedy[0] == greedy[1]
    assert seeded[0] == seeded[1] != seeded[2]


async def test_closing_the_stream_stops_the_servers_work(engine: OpenAIEngine, real_server: tuple[str, str, psutil.Process]) -> None:
    process = real_server[2]

    def used() -> float:
        times = process.cpu_times()
        return times.user + times.system

    stream = engine.stream(await engine.prepare(ask("Hello", max_tokens=LONG, temperature=1.0, seed=1)))
    for _ in range(5):
        assert isinstance(await anext(stream), Delta)
    await stream.aclose()
    await asyncio.sleep(0.3)
    before = used()
    await asyncio.sleep(1.0)
    assert used() - before < 0.3, "the server decodes on"


async def test_two_answers_at_once(engine: OpenAIEngine) -> None:
    results = await asyncio.gather(*(answer(engine, ask("Hello", max_tokens=50)) for _ in range(2)))
    assert [finish.usage.completion_tokens for _, finish in results] == [50, 50]


async def test_an_unknown_model_is_told_by_name(real_server: tuple[str, str, psutil.Process]) -> None:
    engine = OpenAIEngine(name="real", base_url=real_server[0], model="nobody/nothing")
    await engine.start(lambda progress: None)
    with pytest.raises(errors.BackendModelUnknown, match="no model named nobody/nothing"):
        await answer(engine, ask("Hello"))
    await engine.stop()


async def test_a_parameter_that_it_does_not_know_is_told(real_server: tuple[str, str, psutil.Process]) -> None:
    engine = OpenAIEngine(name="real", base_url=real_server[0], model=real_server[1], parameters=("top_k",))
    await engine.start(lambda progress: None)
    with pytest.raises(errors.BackendRefused, match="top_k"):
        await answer(engine, ask("Hello", top_k=5))
    await engine.stop()


async def test_a_wrong_base_url_is_told(real_server: tuple[str, str, psutil.Process]) -> None:
    engine = OpenAIEngine(name="real", base_url=real_server[0].removesuffix("/v1"), model=real_server[1])
    await engine.start(lambda progress: None)
    with pytest.raises(errors.BackendRefused, match="usually ends in /v1"):
        await answer(engine, ask("Hello"))
    await engine.stop()
