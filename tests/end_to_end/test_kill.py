"""kill -9 in mid-answer: the text so far is there after the restart, and *Continue* goes on from exactly it."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client, RunView
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.server import Kind, Server
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process

LOST_S = 1.0
"""What may be lost is the text of the last 0.2 s; on a busy machine a flush takes its time, so here it is this much."""


def check_cut(view: RunView, stored: str, killed: float) -> None:
    """The stored text and the one that was seen are one text, cut in two places; what was seen and is lost, was seen just now."""
    seen = view.answer
    assert seen.startswith(stored) or stored.startswith(seen), f"seen {seen[-60:]!r}, stored {stored[-60:]!r}"
    kept = (view.start or {}).get("content", "")
    for frame, received in zip(view.streams, view.received, strict=True):
        kept += frame["content"]
        assert len(kept) <= len(stored) or killed - received < LOST_S, f"{frame} was seen {killed - received:.2f} s before the kill, and is lost"


@pytest.mark.parametrize(("kind", "database"), [("uvicorn", "sqlite"), ("daphne", "postgres")])
async def test_an_answer_that_was_cut_off_is_continued(fresh: FreshServer, kind: Kind, database: str) -> None:
    server = fresh(kind, database).start()
    client = await Client(server).connect()
    run = await client.pieces(await client.say("!think !say 200", conversation=str(uuid4())), 60)
    waiting = await client.say("and then?", conversation=run.conversation)
    killed = time.monotonic()
    server.kill()
    await client.gone()
    seen = len(run.answer)
    await server.start_again()

    stored = Store(server).run(run.run)
    assert (stored.status, stored.finish_reason, stored.thinking, stored.events) == ("done", "interrupted", "hm well ", 0)
    assert stored.prompt == "[user]!think !say 200\n[assistant]"
    assert seen > 100
    check_cut(run, stored.answer, killed)

    await client.connect()
    await client.finish(await client.resume(run.run))
    assert (run.reason, run.answer) == ("interrupted", stored.answer)
    await client.finish(await client.resume(waiting.run))
    assert (waiting.reason, waiting.answer) == ("interrupted", "")
    rest = await client.finish(await client.submit(type="continue", message=run.message))
    assert rest.start is not None
    assert rest.start["content"] == stored.answer
    assert rest.answer == "".join(f"w{i} " for i in range(200))
    await client.leave()


async def test_killed_while_it_continues_it_is_continued_again(fresh: FreshServer) -> None:
    """Three power cuts in one answer: no word is missing and none is there twice."""
    server = fresh().start()
    client = await Client(server).connect()
    run = await client.say("!say 120", conversation=str(uuid4()))
    for _ in range(3):
        await client.pieces(run, 25)
        killed = time.monotonic()
        server.kill()
        await client.gone()
        await server.start_again()
        check_cut(run, Store(server).run(run.run).answer, killed)
        await client.connect()
        run = await client.submit(type="continue", message=run.message)
    await client.finish(run)
    await client.leave()
    assert run.answer == "".join(f"w{i} " for i in range(120))


@dataclass
class Ledger:
    """What a client was told, over all the kills."""

    views: dict[str, RunView] = field(default_factory=dict)
    """By run: what was acknowledged."""
    texts: dict[str, str] = field(default_factory=dict)
    """By key: what was sent."""
    unheard: set[str] = field(default_factory=set)
    """Keys that no answer came for: the client sends them again."""


@pytest.mark.parametrize(("kind", "database", "kills"), [("uvicorn", "sqlite", 20), ("uvicorn", "postgres", 5)])
async def test_a_loop_of_kills_loses_no_turn(fresh: FreshServer, kind: Kind, database: str, kills: int) -> None:
    server, ledger, chance = fresh(kind, database).start(), Ledger(), random.Random(20)
    for _ in range(kills):
        await one_life(server, ledger, chance)
        await send_again(server, ledger)
    assert len(ledger.views) >= 2 * kills
    await check_ledger(server, ledger)


async def one_life(server: Server, ledger: Ledger, chance: random.Random) -> None:
    """Talk for a while, kill the server at any moment, start it again: what was seen must be what is stored."""
    client = await Client(server).connect()
    keys: list[str] = []
    for _ in range(chance.randint(2, 6)):
        text = f"!say {chance.choice((1, 5, 30, 500))} {uuid4()}"
        keys.append(key := uuid4().hex)
        ledger.texts[key] = text
        await client.send_text(json.dumps({"message": text, "key": key, "conversation": str(uuid4())}))
    wanted = chance.randint(0, 100)
    await client.until(lambda: len(client.frames) >= wanted or client.count("end") == len(keys), f"{wanted} frames")
    killed = time.monotonic()
    server.kill()
    await client.gone()
    ledger.views |= client.runs
    ledger.unheard |= {key for key in keys if key not in client.by_key}
    await server.start_again()
    for view in client.runs.values():
        if view.end is None:
            check_cut(view, Store(server).run(view.run).answer, killed)


async def send_again(server: Server, ledger: Ledger) -> None:
    """A client's retries of what it got no answer for."""
    if not ledger.unheard:
        return
    async with Client(server) as client:
        for key in sorted(ledger.unheard):
            view = await client.say(ledger.texts[key], key=key)
            await client.send(type="stop", run=view.run)
            await client.finish(view)
            ledger.views[view.run] = view
    ledger.unheard.clear()


async def check_ledger(server: Server, ledger: Ledger) -> None:
    """Every turn is there, once; every run has one end, and its text is the one that was seen."""
    store = Store(server)
    assert store.count("chat_run") == len(ledger.views) == len(ledger.texts)
    assert [key for key in ledger.texts if store.messages(key) != 1] == []
    assert store.count("chat_runevent") == 0
    async with Client(server) as client:
        for run, seen in ledger.views.items():
            stored, view = store.run(run), await client.finish(await client.resume(run, -1))
            assert stored.status == "done"
            assert stored.question in ledger.texts.values()
            assert (view.answer, view.reason) == (stored.answer, stored.finish_reason)
            if seen.end is not None:
                assert (seen.answer, seen.reason) == (view.answer, view.reason)
