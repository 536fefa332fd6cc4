from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.urls import path

from chat import consumers
from chat.consumers import NOT_PAIRED, ChatConsumer
from chat.limits import HARD_FRAME_BYTES, MAX_FRAME_CHARS, TOO_FAST, Limiter, Limits
from chat.pairing import new_code, redeem
from chat.protocol import MAX_MESSAGE_CHARS
from chat.runs import RunManager
from inference.fake import FakeEngine

LOOPBACK = [(b"host", b"localhost:8000")]
Connect = Callable[..., Awaitable[WebsocketCommunicator]]


@pytest.fixture
async def connect(runs: RunManager) -> AsyncIterator[Connect]:
    """Opens sockets from this computer, and closes them."""
    opened: list[WebsocketCommunicator] = []

    async def connect(
        query: str = "v=1",
        *,
        headers: Any = LOOPBACK,
        address: str = "127.0.0.1",
        open_to_all: bool = False,
        token: str = "",
        limiter: Limiter | None = None,
    ) -> WebsocketCommunicator:
        app = URLRouter([path("ws/chat/", ChatConsumer.as_asgi(runs=runs, open_to_all=open_to_all, limiter=limiter))])
        headers = [*headers, (b"authorization", f"Bearer {token}".encode())] if token else headers
        socket = WebsocketCommunicator(app, f"/ws/chat/?{query}", headers=headers)
        socket.scope["client"] = [address, 1]
        await socket.connect()
        opened.append(socket)
        return socket

    yield connect
    for socket in opened:
        await socket.disconnect()


@pytest.fixture
async def device(transactional_db: None) -> str:
    """The token of a paired phone."""

    def pair() -> str:
        return redeem(code=new_code().code, name="phone")[1]

    return await sync_to_async(pair)()


async def receive(socket: WebsocketCommunicator) -> dict[str, Any]:
    """The next frame but `changed`, which has a test of its own: it comes whenever anything was stored."""
    while (frame := json.loads(await socket.receive_from(timeout=10)))["type"] == "changed":
        pass
    return frame


async def until(socket: WebsocketCommunicator, kind: str) -> list[dict[str, Any]]:
    """All frames up to the first of `kind`."""
    frames = [await receive(socket)]
    while frames[-1]["type"] != kind:
        frames.append(await receive(socket))
    return frames


async def send(socket: WebsocketCommunicator, **frame: Any) -> None:
    await socket.send_to(text_data=json.dumps(frame))


async def test_a_message_is_answered(connect: Connect) -> None:
    socket = await connect()
    await send(socket, message="hello there", key="k")
    frames = await until(socket, "end")
    start = next(frame for frame in frames if frame["type"] == "start")
    assert frames[0]["key"] == start["key"] == "k"
    assert frames.index(start) <= 1, "nothing but its place in the queue comes before the start"
    assert start["seq"] == 0
    assert "".join(frame["content"] for frame in frames if frame["type"] == "stream") == "echo: hello there"


async def test_the_tutorials_client_gets_what_it_understands(connect: Connect) -> None:
    socket = await connect("")
    await send(socket, message="hello !think there")
    frames = await until(socket, "end")
    assert {frame["type"] for frame in frames} == {"start", "stream", "end"}
    text = "".join(frame.get("content", "") for frame in frames)
    assert text == "<think>\nhm well \n</think>\n\necho: hello !think there"


async def test_a_connection_without_a_version_is_one_conversation(connect: Connect, client: Any) -> None:
    socket = await connect("")
    for text in ("one", "two"):
        await send(socket, message=text)
    await until(socket, "end")
    await until(socket, "end")
    from chat.models import Conversation, Message

    assert await Conversation.objects.acount() == 1
    assert await Message.objects.acount() == 4


async def test_ping(connect: Connect) -> None:
    socket = await connect()
    await send(socket, type="ping")
    assert await receive(socket) == {"type": "pong"}


async def test_stop_overtakes_what_waits(connect: Connect, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    socket = await connect()
    await send(socket, message="!say 1000")
    run = (await receive(socket))["run"]
    await until(socket, "stream")
    await send(socket, type="stop", run=run)
    assert (await until(socket, "end"))[-1]["finish_reason"] == "stopped"
    await send(socket, type="stop", run=run)  # over already: nothing happens
    await send(socket, type="stop", run=str(uuid4()))
    assert (await receive(socket))["code"] == "no_run"


async def test_a_run_goes_on_without_its_socket_and_is_resumed_from_another(connect: Connect, engine: FakeEngine) -> None:
    engine.delay_s = 0.005
    first = await connect()
    await send(first, message="!say 40")
    frames = await until(first, "stream")
    await first.disconnect()
    second = await connect()
    await send(second, type="resume", run=frames[-1]["run"], after=frames[-1]["seq"])
    frames += await until(second, "end")
    assert "".join(frame["content"] for frame in frames if frame["type"] == "stream") == "".join(f"w{i} " for i in range(40))
    await send(second, type="resume", run=frames[-1]["run"])
    replayed = await until(second, "end")
    assert replayed[0]["type"] == "start"
    assert replayed[-1] == frames[-1]


async def test_regenerate_edit_and_continue(connect: Connect) -> None:
    socket = await connect()
    await send(socket, message="!say 6", options={"max_tokens": 2})
    cut = (await until(socket, "end"))[0]
    await send(socket, type="continue", message=cut["message"])
    more = await until(socket, "end")
    assert next(frame["content"] for frame in more if frame["type"] == "start") == "w0 w1 "
    await send(socket, type="regenerate", message=cut["message"])
    again = (await until(socket, "end"))[0]
    assert (again["parent"], again["message"] != cut["message"]) == (cut["parent"], True)
    await send(socket, type="edit", message=cut["parent"], content="hello")
    edited = await until(socket, "end")
    assert edited[0]["parent"] != cut["parent"]
    assert "".join(f["content"] for f in edited if f["type"] == "stream") == "echo: hello"


async def test_system_is_noticed(connect: Connect) -> None:
    socket = await connect("v=1&lang=zh")
    await send(socket, message="/system 你是猫", key="k")
    notice = await receive(socket)
    assert (notice["type"], notice["code"], notice["message"], notice["key"]) == ("notice", "system_set", "系统提示已设定，从这里开始生效。", "k")
    await send(socket, message="/system", conversation=notice["conversation"])
    assert (await receive(socket))["code"] == "system_cleared"


async def test_a_bad_frame_is_answered_and_the_connection_lives(connect: Connect) -> None:
    socket = await connect()
    await socket.send_to(text_data="nonsense")
    assert (await receive(socket))["code"] == "bad_frame"
    await socket.send_to(bytes_data=b"\x00")
    assert "binary" in (await receive(socket))["message"]
    await send(socket, type="ping")
    assert (await receive(socket))["type"] == "pong"


async def test_an_unpaired_phone_gets_nothing(connect: Connect) -> None:
    socket = await connect(address="192.168.1.7")
    refused = await receive(socket)
    assert refused["code"] == "not_paired"
    assert (await socket.receive_output(timeout=5))["code"] == NOT_PAIRED


async def test_open_lets_it_in(connect: Connect) -> None:
    socket = await connect(address="192.168.1.7", open_to_all=True)
    await send(socket, message="hello")
    assert (await until(socket, "end"))[-1]["finish_reason"] == "stop"


async def test_too_many_at_once_are_refused_with_their_key(connect: Connect, runs: RunManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "MAX_WAITING", 2)
    begun, gate, submit = asyncio.Event(), asyncio.Event(), runs.submit

    async def slow(*args: Any) -> Any:
        begun.set()
        await gate.wait()
        return await submit(*args)

    monkeypatch.setattr(runs, "submit", slow)
    socket = await connect()
    for i in range(6):
        await send(socket, message=f"m{i}", key=f"k{i}")
        await asyncio.wait_for(begun.wait(), 10)
    refused = [(await receive(socket)) for _ in range(3)]  # one is being carried out, two wait
    assert [(frame["key"], frame["code"], frame["retryable"]) for frame in refused] == [(f"k{i}", "too_fast", True) for i in (3, 4, 5)]
    gate.set()
    assert {frame["key"] for _ in range(3) for frame in await until(socket, "end") if frame["type"] == "start"} == {"k0", "k1", "k2"}


async def test_a_bug_is_one_sentence(connect: Connect, runs: RunManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*args: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(runs, "submit", broken)
    socket = await connect()
    await send(socket, message="x", key="k")
    frame = await receive(socket)
    assert (frame["code"], frame["key"], frame["retryable"]) == ("internal", "k", True)
    assert "a bug" in caplog.text
    caplog.clear()


def limited(**changed: int) -> Limiter:
    return Limiter(Limits(**changed), clock=lambda: 0.0)  # no time passes, however slow the machine is


async def test_a_message_too_many_is_kept_by_its_client_and_taken_later(connect: Connect, device: str) -> None:
    socket = await connect(token=device, limiter=limited(messages_per_minute=2))
    for i in range(3):
        await send(socket, message=f"m{i}", key=f"k{i}")
    frames = await until(socket, "error")
    refused = frames[-1]
    assert (refused["code"], refused["key"], refused["retryable"]) == ("too_many_messages", "k2", True)
    assert refused["retry_after_s"] == 30
    assert refused["message"] == f"More than 2 messages in a minute from this device. It can go on in {refused['retry_after_s']:.0f} s."


async def test_the_limit_is_the_devices_not_the_sockets(connect: Connect, device: str) -> None:
    shared = limited(messages_per_minute=1)
    first, second = await connect(token=device, limiter=shared), await connect(token=device, limiter=shared)
    await send(first, message="one")
    await until(first, "end")
    await send(second, message="two", key="k")
    assert (await until(second, "error"))[-1]["key"] == "k"


async def test_only_so_many_answers_wait(connect: Connect, device: str, engine: FakeEngine) -> None:
    engine.delay_s = 0.01
    socket = await connect(token=device, limiter=limited(unfinished_answers=2))
    for i in range(3):
        await send(socket, message="!say 300", key=f"k{i}", conversation=str(uuid4()))
    refused = (await until(socket, "error"))[-1]
    assert (refused["code"], refused["key"], refused["retryable"], refused["retry_after_s"]) == ("too_many_answers", "k2", True, 5)


async def test_a_socket_too_many_is_told_why_and_closed(connect: Connect, device: str) -> None:
    shared = limited(sockets=1)
    first = await connect(token=device, limiter=shared)
    second = await connect(token=device, limiter=shared)
    assert (await receive(second))["code"] == "too_many_sockets"
    assert (await second.receive_output(timeout=5))["code"] == TOO_FAST
    await first.disconnect()
    third = await connect(token=device, limiter=shared)
    await send(third, type="ping")
    assert (await receive(third))["type"] == "pong"


async def test_connections_of_an_address_are_counted_before_anybody_is_looked_up(connect: Connect) -> None:
    shared = limited(connections_per_minute=1)
    await connect(address="192.168.1.7", limiter=shared)
    again = await connect(address="192.168.1.7", limiter=shared)
    refused = await receive(again)
    assert (refused["code"], refused["retry_after_s"] > 0) == ("too_many_requests", True)
    assert (await again.receive_output(timeout=5))["code"] == TOO_FAST


async def test_a_flood_is_warned_and_then_let_go(connect: Connect, device: str) -> None:
    socket = await connect(token=device, limiter=limited(frames_per_minute=10))
    for _ in range(21):
        await socket.send_to(text_data="nonsense")
    frames = [await receive(socket) for _ in range(21)]
    assert [frame["code"] for frame in frames] == ["bad_frame"] * 10 + ["too_many_requests"] * 11
    assert (await socket.receive_output(timeout=5))["code"] == TOO_FAST


async def test_a_frame_that_is_too_large_is_answered_in_words(connect: Connect) -> None:
    socket = await connect("v=1&lang=zh")
    await send(socket, message="x" * MAX_FRAME_CHARS, key="k")
    refused = await receive(socket)
    assert (refused["code"], refused["message"], refused["key"], refused["retryable"]) == ("too_large", "内容太大，最多 1 MB。", "k", False)
    await socket.send_to(text_data="[" * (MAX_FRAME_CHARS + 1))
    assert "key" not in await receive(socket)
    await socket.send_to(bytes_data=b"x" * (MAX_FRAME_CHARS + 1))
    assert (await receive(socket))["code"] == "too_large"
    await send(socket, type="ping")
    assert (await receive(socket))["type"] == "pong"
    await socket.send_to(text_data="x" * (HARD_FRAME_BYTES + 1))
    assert (await socket.receive_output(timeout=5))["code"] == 1009


async def test_the_longest_message_fits_in_a_frame_however_it_is_written(connect: Connect) -> None:
    socket = await connect()
    await socket.send_to(text_data=json.dumps({"message": "\u4e2d" * MAX_MESSAGE_CHARS}))  # \u4e2d: six characters for one
    assert (await receive(socket))["type"] in ("queued", "start")
