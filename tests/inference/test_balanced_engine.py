"""Several servers behind one model, as stand-ins that refuse, stall and die on demand. Against real ones: tests/end_to_end/test_two_backends.py."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from inference import backend_health, balanced_engine, errors
from inference.balanced_engine import BalancedEngine, Member
from inference.openai_engine import OpenAIEngine
from inference.types import ChatMessage, Delta, Finish, GenerationRequest
from tests.inference.openai_standin import DONE, DROP, FOREVER, Reply, StandIn, delta, refusal

KEY = "sk-0123456789-never-to-be-seen"


@pytest.fixture
async def servers() -> AsyncIterator[list[StandIn]]:
    async with StandIn() as one, StandIn() as two, StandIn() as three:
        for name, server in zip("abc", (one, two, three), strict=True):
            server.replies = [says(name)]
        yield [one, two, three]


def says(text: str) -> Reply:
    return Reply([delta(text), delta(finish="stop"), DONE])


def member(name: str, url: str, weight: float = 1.0, **more: Any) -> Member:
    return Member(name, OpenAIEngine(name="big", base_url=url, model=f"m-{name}", **more), weight)


async def start(*members: Member, **more: Any) -> BalancedEngine:
    engine = BalancedEngine("big", members, **{"backoff_s": 0.01, **more})
    await engine.start(lambda progress: None)
    return engine


@pytest.fixture
async def engine(servers: list[StandIn]) -> AsyncIterator[BalancedEngine]:
    engine = await start(*(member(name, server.url, max_streams=4) for name, server in zip("abc", servers, strict=True)))
    yield engine
    await engine.stop()


async def answer(engine: BalancedEngine) -> str:
    prompt = await engine.prepare(GenerationRequest("r", (ChatMessage("user", "Hello"),)))
    items = [item async for item in engine.stream(prompt)]
    assert isinstance(items[-1], Finish)
    return "".join(item.text for item in items if isinstance(item, Delta))


def states(engine: BalancedEngine) -> dict[str, str]:
    return {view.name: view.state for view in engine.info.backends}


async def until(engine: BalancedEngine, **wanted: str) -> None:
    await reached(lambda: not wanted.items() - states(engine).items())


async def reached(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not found():  # noqa: ASYNC110 - an engine has no event for tests
            await asyncio.sleep(0.02)


async def running(engine: BalancedEngine, count: int) -> list[int]:
    """So many unending answers at once: how many each server has. They are cancelled."""
    tasks = [asyncio.create_task(answer(engine)) for _ in range(count)]
    await reached(lambda: sum(view.running for view in engine.info.backends) == count)
    found = [view.running for view in engine.info.backends]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


@pytest.fixture
def long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is down stays down, however slow the computer is."""
    monkeypatch.setattr(backend_health, "FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(backend_health, "LONGEST_PAUSE_S", 3600.0)


def nobody() -> str:
    """An address at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


# Who is asked


async def test_equal_servers_take_turns_and_each_is_asked_for_its_own_model(engine: BalancedEngine, servers: list[StandIn]) -> None:
    assert Counter([await answer(engine) for _ in range(9)]) == {"a": 3, "b": 3, "c": 3}
    assert [server.requests[0].body["model"] for server in servers] == ["m-a", "m-b", "m-c"]


async def test_weights_share_out_answers_that_come_one_by_one(servers: list[StandIn]) -> None:
    engine = await start(member("a", servers[0].url, 3.0), member("b", servers[1].url, 1.0))
    assert Counter([await answer(engine) for _ in range(20)]) == {"a": 15, "b": 5}
    await engine.stop()


async def test_weights_share_out_answers_that_run_at_once(servers: list[StandIn]) -> None:
    for server in servers[:2]:
        server.replies = [Reply([delta("x"), 3600])]
    engine = await start(member("a", servers[0].url, 2.0), member("b", servers[1].url, 1.0))
    assert await running(engine, 9) == [6, 3]
    assert [view.running for view in engine.info.backends] == [0, 0]
    await engine.stop()


async def test_who_is_full_is_asked_last(servers: list[StandIn]) -> None:
    for server in servers[:2]:
        server.replies = [Reply([delta("x"), 3600])]
    engine = await start(member("a", servers[0].url, 100.0, max_streams=1), member("b", servers[1].url, max_streams=3))
    assert engine.info.max_streams == 4
    assert await running(engine, 4) == [1, 3]
    await engine.stop()


# A dead one costs no answer


@pytest.mark.parametrize(
    "trouble",
    [
        refusal(500, {"error": {"message": "CUDA"}}),
        refusal(503, "overloaded"),
        refusal(429, {"error": {"message": "slow down"}}),
        refusal(401, {"error": {"message": "no key"}}),
        refusal(404, {"detail": "Not Found"}),
        Reply([b"<html>log in to the Wi-Fi</html>"], kind="text/html"),
        Reply([DROP]),
        Reply([delta("", role="assistant"), DROP]),
        Reply([delta("", role="assistant")]),
    ],
    ids=["500", "503", "429", "401", "404", "a web page", "drops", "drops after a role", "ends without text"],
)
@pytest.mark.usefixtures("long_pause")
async def test_trouble_before_the_first_token_is_anothers_answer(engine: BalancedEngine, servers: list[StandIn], trouble: Reply) -> None:
    servers[0].replies = [trouble]
    assert Counter([await answer(engine) for _ in range(6)]) == {"b": 3, "c": 3}
    assert states(engine) == {"a": "down", "b": "up", "c": "up"}
    assert len(servers[0].requests) == 1, "it is left alone"
    assert engine.info.max_streams == 8


@pytest.mark.usefixtures("long_pause")
async def test_a_server_that_dies_with_answers_running_elsewhere(engine: BalancedEngine, servers: list[StandIn]) -> None:
    await servers[0].__aexit__()
    assert sorted(await asyncio.gather(*(answer(engine) for _ in range(12)))) == ["b"] * 6 + ["c"] * 6
    assert states(engine)["a"] == "down"


@pytest.mark.usefixtures("long_pause")
async def test_a_silent_server_is_left_when_a_look_finds_it_gone(servers: list[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer without power refuses nothing: what waits there would wait for the whole of timeout_s."""
    monkeypatch.setattr("inference.openai_engine.CHECK_TIMEOUT_S", 0.3)
    engine = await start(member("a", servers[0].url), member("b", servers[1].url), look_s=0.5)
    servers[0].replies, servers[0].models = [Reply([3600])], Reply([3600])
    async with asyncio.timeout(30):
        assert await asyncio.gather(*(answer(engine) for _ in range(4))) == ["b"] * 4
    assert states(engine)["a"] == "down"
    await engine.stop()


@pytest.mark.usefixtures("long_pause")
async def test_after_the_first_token_nobody_else_is_asked(engine: BalancedEngine, servers: list[StandIn]) -> None:
    servers[0].replies = [Reply([delta("Half an"), DROP])]
    with pytest.raises(errors.BackendDropped):
        await answer(engine)
    assert [len(server.requests) for server in servers] == [1, 0, 0]
    assert states(engine)["a"] == "down"


async def test_what_is_wrong_with_the_request_is_said_at_once_and_blamed_on_nobody(engine: BalancedEngine, servers: list[StandIn]) -> None:
    servers[0].replies = [refusal(400, {"error": {"type": "exceed_context_size_error", "n_prompt_tokens": 900, "n_ctx": 512}})]
    with pytest.raises(errors.ContextOverflow):
        await answer(engine)
    assert [len(server.requests) for server in servers] == [1, 0, 0]
    for server in servers:
        server.replies = [refusal(400, {"error": {"message": "temperature must be ≤ 2"}})]
    with pytest.raises(errors.BackendRefused, match="temperature"):
        await answer(engine)
    assert set(states(engine).values()) == {"up"}


@pytest.mark.usefixtures("long_pause")
async def test_when_all_are_down_they_are_asked_again_and_the_last_word_is_told(engine: BalancedEngine, servers: list[StandIn]) -> None:
    for server in servers:
        server.replies = [refusal(500, {}), refusal(500, {}), says("late")]
    assert await answer(engine) == "late", "also those that are down: they may be back"
    for server in servers:
        server.replies = [refusal(500, {})]
    with pytest.raises(errors.BackendFailed):
        await answer(engine)
    with pytest.raises(errors.BackendFailed):
        await engine.check()
    assert engine.info.max_streams == 12, "a queue needs places"


# Coming back


async def test_a_server_that_comes_back_answers_again(engine: BalancedEngine, servers: list[StandIn]) -> None:
    servers[0].replies = [refusal(500, {})]
    await answer(engine)
    servers[0].replies = [says("a")]
    await until(engine, a="trying")
    assert Counter([await answer(engine) for _ in range(6)])["a"] >= 1
    assert states(engine)["a"] == "up"


async def test_one_question_at_a_time_tries_it(servers: list[StandIn]) -> None:
    engine = await start(member("a", servers[0].url), member("b", servers[1].url))
    servers[0].replies = [refusal(500, {})]
    await answer(engine)
    await until(engine, a="trying")
    servers[0].requests.clear()
    servers[0].replies = [Reply([0.5, *says("a").pieces])]
    texts = await asyncio.gather(*(answer(engine) for _ in range(8)))
    assert Counter(texts) == {"a": 1, "b": 7}
    await engine.stop()


@pytest.mark.usefixtures("long_pause")
async def test_a_look_finds_out_what_nobody_asked(servers: list[StandIn]) -> None:
    engine = await start(member("a", servers[0].url), member("b", servers[1].url), look_s=0.1)
    await servers[0].__aexit__()
    await until(engine, a="down", b="up")
    view = engine.info.backends[0]
    assert (view.code, view.params["url"]) == ("backend_unreachable", servers[0].url)
    assert view.retry_s is not None
    assert servers[0].requests == servers[1].requests == [], "a look costs no tokens"
    await engine.stop()


# Start and stop


@pytest.mark.usefixtures("long_pause")
async def test_one_that_is_there_is_enough(servers: list[StandIn]) -> None:
    engine = await start(member("a", nobody()), member("b", servers[1].url))
    assert states(engine) == {"a": "down", "b": "up"}
    assert await answer(engine) == "b"
    await engine.check()
    await engine.stop()


async def test_none_is_there() -> None:
    with pytest.raises(errors.BackendUnreachable):
        await start(member("a", nobody()), member("b", nobody()))


async def test_a_missing_key_is_told_whatever_the_others_say(servers: list[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMOTE_KEY", raising=False)
    with pytest.raises(errors.BackendKeyMissing, match="REMOTE_KEY"):
        await start(member("a", servers[0].url), member("b", servers[1].url, api_key_env="REMOTE_KEY"))


@pytest.mark.usefixtures("long_pause")
async def test_each_gets_its_own_key_and_nobody_sees_it(
    servers: list[StandIn], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KEY_A", KEY)
    engine = await start(member("a", servers[0].url, api_key_env="KEY_A"), member("b", servers[1].url))
    servers[0].replies = [refusal(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})]
    assert [await answer(engine) for _ in range(2)] == ["b", "b"]
    assert servers[0].requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in servers[1].requests[0].headers
    assert engine.info.backends[0].code == "backend_key"
    assert KEY not in f"{engine.info!r}{caplog.text}"
    await engine.stop()


async def test_closing_the_stream_closes_the_connection_and_gives_the_place_back(engine: BalancedEngine, servers: list[StandIn]) -> None:
    servers[0].replies = [Reply([FOREVER])]
    stream = engine.stream(await engine.prepare(GenerationRequest("r", (ChatMessage("user", "Hello"),))))
    assert isinstance(await anext(stream), Delta)
    await stream.aclose()
    async with asyncio.timeout(5):
        await servers[0].gone.wait()
    assert [view.running for view in engine.info.backends] == [0, 0, 0]


async def test_cancelling_before_the_first_byte(engine: BalancedEngine, servers: list[StandIn]) -> None:
    servers[0].replies = [Reply([3600])]
    task = asyncio.create_task(answer(engine))
    await servers[0].asked.wait()
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [view.running for view in engine.info.backends] == [0, 0, 0]
    assert set(states(engine).values()) == {"up"}, "who goes away says nothing about the server"


async def test_started_elsewhere_and_nothing_is_left_after_the_stop(servers: list[StandIn]) -> None:
    engine = BalancedEngine("big", [member("a", servers[0].url), member("b", servers[1].url)], look_s=0.1)
    await asyncio.to_thread(lambda: asyncio.run(engine.start(lambda progress: None)))
    assert await answer(engine) in "ab"
    await asyncio.sleep(balanced_engine.TICK_S * 2)  # some looks
    await engine.stop()
    await engine.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("looking")]
    with pytest.raises(errors.NotReady):
        await engine.check()
