"""What one device may ask for, on a real server: refusals in words, nothing lost, nobody else delayed."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from chat.limits import HARD_FRAME_BYTES, MAX_FRAME_CHARS
from tests.end_to_end.client import Client, Refused
from tests.end_to_end.http import Headers, ask
from tests.end_to_end.phones import pair
from tests.end_to_end.server import LIMIT_S, Server
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process

LIMITS = """
[limits]
messages_per_minute = 20
unfinished_answers = 2
sockets = 3
frames_per_minute = 120
requests_per_minute = 60
pairings_per_minute = 40
body_mb = 2
"""


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[Server]:
    """uvicorn's own limits are wide: what holds there is the application's. Daphne takes in a whole body before it asks the application, see
    docs/security.md."""
    server = Server(request.param, folder / f"limits-{request.param}")
    server.data.mkdir()
    server.data.joinpath("llmsite.toml").write_text(LIMITS)
    try:
        yield server.start()
    finally:
        server.kill()
    server.check_log()


@pytest.fixture
async def phone(server: Server) -> Headers:
    """A device of its own for each test, so that none finds the limits used up."""
    return await asyncio.to_thread(pair, server)


async def _until_refused(client: Client) -> dict[str, Any]:
    """Send as fast as it goes what costs the engine nothing."""
    for i in range(1000):
        await client.send(type="message", message="/system x", key=f"more{i}")
        await client.ping()
        if client.count("error"):
            return next(frame for frame in client.frames if frame["type"] == "error")
    raise AssertionError("a thousand messages were taken")


async def test_a_message_too_many_is_refused_with_its_key_and_taken_later(server: Server, phone: Headers) -> None:
    async with Client(server, headers=phone, query="?v=1&lang=zh") as client:
        for i in range(20):  # a person's burst; it may take a while, and the bucket fills meanwhile
            await client.ask("hi", key=f"k{i}")
        error = await _until_refused(client)
        key = error["key"]
        assert (error["code"], error["retryable"]) == ("too_many_messages", True)
        assert "秒后可以继续" in error["message"]
        assert 0 < error["retry_after_s"] <= 3
        assert Store(server).messages(key) == 0
        await asyncio.sleep(error["retry_after_s"])
        assert (await client.ask("hi", key=key)).answer == "echo: hi"
    assert Store(server).messages(key) == 1


async def test_only_so_many_answers_wait_and_another_device_is_not_held_up(server: Server, phone: Headers) -> None:
    other = await asyncio.to_thread(pair, server)
    async with Client(server, headers=phone) as client, Client(server, headers=other) as patient:
        runs = [await client.say("!say 500", conversation=str(uuid4())) for _ in range(2)]
        with pytest.raises(Refused) as refused:
            await client.say("one more", conversation=str(uuid4()))
        assert (refused.value.code, refused.value.error["retryable"], refused.value.error["retry_after_s"]) == ("too_many_answers", True, 5)
        assert (await patient.ask("hi")).answer == "echo: hi"
        for run in runs:
            await client.send(type="stop", run=run.run)
            await client.finish(run)
        assert (await client.ask("one more", conversation=str(uuid4()))).answer == "echo: one more"


async def test_a_socket_too_many_is_told_why(server: Server, phone: Headers) -> None:
    async with Client(server, headers=phone) as first, Client(server, headers=phone), Client(server, headers=phone):
        fourth = await Client(server, headers=phone).connect()
        await fourth.gone()
        assert [frame["code"] for frame in fourth.frames] == ["too_many_sockets"]
        assert fourth.closed is not None
        assert fourth.closed[0] == 4429
        await first.ping()
    async with Client(server, headers=phone) as again:
        await again.ping()


async def test_a_flood_of_frames_is_warned_and_then_let_go(server: Server, phone: Headers) -> None:
    client = await Client(server, headers=phone).connect()
    with suppress(ConnectionClosed):
        for _ in range(1000):
            await client.send_text("nonsense")
    await client.gone()
    codes = [frame["code"] for frame in client.frames]
    assert codes[:120] == ["bad_frame"] * 120
    assert set(codes[120:]) <= {"bad_frame", "too_many_requests"}
    assert codes[-1] == "too_many_requests"
    assert len(codes) < 800
    assert client.closed is not None
    assert client.closed[0] == 4429


async def test_a_frame_that_is_too_large_gets_a_sentence_and_one_beyond_all_measure_a_clean_end(server: Server, phone: Headers) -> None:
    client = await Client(server, headers=phone).connect()
    await client.send(message="x" * MAX_FRAME_CHARS, key="large")
    error = await client.error("too_large")
    assert (error["key"], error["retryable"], error["message"]) == ("large", False, "This is too large: at most 1 MB.")
    await client.ping()
    with suppress(ConnectionClosed):
        await client.send(message="x" * HARD_FRAME_BYTES)
    await client.gone()
    assert client.closed is not None
    assert client.closed[0] == 1009


def test_requests_are_counted_for_each_device(server: Server) -> None:
    headers, other = pair(server), pair(server)
    answers = [ask(server, "GET", "/api/me", headers) for _ in range(60)]
    began = time.monotonic()
    while answers[-1].status == 200 and time.monotonic() - began < LIMIT_S:
        answers.append(ask(server, "GET", "/api/me", headers))
    assert [answer.status for answer in answers[:60]] == [200] * 60
    refused = answers[-1]
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "too_many_requests", str(refused.json["retry_after_s"]))
    assert ask(server, "GET", "/api/me", other).status == 200


def test_guessing_codes_soon_ends(server: Server) -> None:
    guesses = [{"code": f"guess {i}", "name": "n"} for i in range(100)]
    statuses = [ask(server, "POST", "/api/pair", {"X-Forwarded-For": f"10.0.0.{i}"}, guess).status for i, guess in enumerate(guesses)]
    assert statuses.count(429) >= 20, "an address that a stranger makes up is not believed"


def test_a_body_that_is_too_large_is_not_taken_in(server: Server) -> None:
    announced = ask(
        server, "POST", "/api/conversations/import", {"Content-Type": "application/json", "Content-Length": "99999999", "Accept-Language": "zh"}
    )
    assert (announced.status, announced.code) == (413, "too_large")
    assert announced.json["message"] == "内容太大，最多 2 MB。"


def test_a_body_without_an_end_is_cut_off(server: Server) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT_S) as connection:
        connection.sendall(b"POST /pair/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 64 << 20:
                connection.sendall(chunk)
                sent += len(chunk)
            pytest.fail("64 MB were taken in")
    assert json.loads(ask(server, "GET", "/healthz").text)["status"] == "ready"
