"""Watching a run from behind any frame: no gap, nothing twice, wherever the run is."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client, RunView
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.server import Server
from tests.proxy import Proxy

pytestmark = pytest.mark.process

WORDS = 20
THOUGHTS = ["hm ", "well "]
PIECES = [*THOUGHTS, *(f"w{i} " for i in range(WORDS))]
MESSAGE = f"!think !say {WORDS}"


def check_rest(view: RunView, after: int) -> None:
    """The view joined behind `after`: it has exactly the pieces that follow, then the end."""
    assert "".join(frame["content"] for frame in view.streams) == "".join(PIECES[max(after, 0) :])
    assert view.end is not None
    assert view.end["seq"] == len(PIECES) + 1
    assert (view.start is not None) == (after < 0)


async def resume_everywhere(server: Server, run: str) -> None:
    """From each possible number, each on a socket of its own."""

    async def one(after: int) -> None:
        async with Client(server) as client:
            view = await client.resume(run, after)
            await client.finish(view)
            check_rest(view, after)

    for after in range(-1, len(PIECES) + 1):
        await one(after)


async def test_a_running_answer_from_each_number_on_other_sockets(server: Server) -> None:
    async with Client(server) as client:
        run = await client.say(MESSAGE)
        watchers: list[tuple[Client, RunView, int]] = []
        for after in range(-1, len(PIECES)):
            await client.pieces(run, after + 1)
            for behind in {-1, after // 2, after}:
                watcher = await Client(server).connect()
                watchers.append((watcher, await watcher.resume(run.run, behind), behind))
        await client.finish(run)
        for watcher, view, behind in watchers:
            await watcher.finish(view)
            await watcher.leave()
            check_rest(view, behind)
    assert run.answer == "".join(PIECES[2:])


async def test_a_finished_answer_from_each_number(server: Server) -> None:
    async with Client(server) as client:
        run = await client.ask(MESSAGE)
    await resume_everywhere(server, run.run)


async def test_a_client_that_saw_more_than_is_stored_gets_the_run_from_its_start(server: Server) -> None:
    """Only a power cut makes that: what it saw last was never stored, and another frame may have that number now."""
    async with Client(server) as client:
        run = await client.ask("hi there")
        assert run.end is not None
        for after in (run.end["seq"], 1000):
            run.end = None
            await client.resume(run.run, after)
            await client.finish(run)
            assert run.answer == "echo: hi there"
    assert run.rewinds == 2


async def test_a_finished_answer_after_a_restart(fresh: FreshServer) -> None:
    server = fresh().start()
    async with Client(server) as client:
        run = await client.ask(MESSAGE)
    server.kill()
    await server.start_again()
    await resume_everywhere(server, run.run)


async def test_each_run_of_a_continued_answer_has_its_own_frames(server: Server) -> None:
    async with Client(server) as client:
        cut = await client.ask("!say 9", options={"max_tokens": 4})
        rest = await client.finish(await client.submit(type="continue", message=cut.message))
    async with Client(server) as later:
        both = [await later.finish(await later.resume(run.run)) for run in (cut, rest)]
    assert [view.answer for view in both] == [cut.answer, rest.answer]
    assert [view.text("answer") for view in both] == [cut.text("answer"), rest.text("answer")]
    assert [view.reason for view in both] == ["length", "stop"]


async def test_dropped_and_resumed_again_and_again(server: Server) -> None:
    """One client whose connection is cut after every few frames sees each word once."""
    client = await Client(server).connect()
    run = await client.say("!say 60")
    drops = 0
    while run.end is None:
        await client.pieces(run, run.seq + 4)
        if run.end is None:
            client.drop()
            await client.gone()
            await client.connect()
            await client.resume(run.run)
            drops += 1
    await client.leave()
    assert drops >= 5
    assert run.rewinds == 0
    assert run.answer == "".join(f"w{i} " for i in range(60))


@pytest.mark.parametrize("fault", ["cut", "freeze"])
async def test_a_network_that_fails_in_mid_answer_costs_no_word(server: Server, fault: str) -> None:
    with Proxy(server.port) as proxy:
        client = await Client(server, port=proxy.port).connect()
        run = await client.say("!say 80")
        await client.pieces(run, 5)
        getattr(proxy, fault)()
        async with Client(server) as watcher:  # meanwhile the answer goes on
            await watcher.pieces(await watcher.resume(run.run, -1), run.seq + 20)
        proxy.heal()
        client.drop()
        await client.gone()
        await client.connect()
        await client.resume(run.run)
        await client.finish(run)
        await client.leave()
    assert run.rewinds == 0
    assert run.answer == "".join(f"w{i} " for i in range(80))


async def test_a_waiting_run_is_resumed_with_its_place(fresh: FreshServer) -> None:
    server = fresh(LLMSITE_MAX_STREAMS="1").start()
    async with Client(server) as client:
        running = await client.say("!say 400", conversation=str(uuid4()))
        await client.pieces(running, 1)
        waiting = await client.say("hello", conversation=str(uuid4()))
        async with Client(server) as phone:
            view = await phone.resume(waiting.run, -1)
            await phone.until(lambda: bool(view.places), "a place in the queue")
            assert view.start is None
            await client.send(type="stop", run=running.run)
            await asyncio.gather(phone.finish(view), client.finish(waiting), client.finish(running))
    assert view.answer == waiting.answer == "echo: hello"


async def test_gone_in_the_moment_of_sending(server: Server) -> None:
    """The connection breaks while the message is being stored: it is answered all the same, or the retry is."""
    for pause in range(30):
        client = await Client(server).connect()
        key, conversation = uuid4().hex, str(uuid4())
        await client.send(type="message", message="!say 2", key=key, conversation=conversation)
        await asyncio.sleep(pause / 2000)
        client.drop()
        await client.gone()
        await client.connect()
        assert (await client.ask("!say 2", key=key, conversation=conversation)).answer == "w0 w1 "
        await client.leave()
