"""The tutorial's phone client, unchanged, against ours."""

from __future__ import annotations

import pytest

from tests.end_to_end.server import Server
from tests.tutorial_client import TutorialClient

pytestmark = pytest.mark.process


def tutorial(server: Server) -> TutorialClient:
    return TutorialClient("127.0.0.1", server.port)


async def test_it_gets_a_line_for_each_message(server: Server) -> None:
    async with tutorial(server) as client:
        assert await client.ask("Hello 你好") == "echo: Hello 你好"
        assert await client.ask("!say 3") == "w0 w1 w2 "
    assert {tuple(sorted(frame)) for frame in client.frames} == {("content", "type"), ("type",)}
    assert {frame["type"] for frame in client.frames} == {"start", "stream", "end"}


async def test_its_connection_is_one_conversation(server: Server) -> None:
    async with tutorial(server) as client, tutorial(server) as other:
        for line in ("one", "two", "three"):
            assert await client.ask(line) == f"echo: {line}"
        assert await other.ask("!say 2") == "w0 w1 "
    assert len(client.lines) == 3


async def test_two_messages_at_once_are_two_whole_lines_in_order(server: Server) -> None:
    async with tutorial(server) as client:
        for text in ("!say 10", "second", "third"):
            await client.send(text)
        for _ in range(3):
            await client.line()
    assert client.lines == ["".join(f"w{i} " for i in range(10)), "echo: second", "echo: third"]


async def test_thinking_is_inside_the_text(server: Server) -> None:
    async with tutorial(server) as client:
        assert await client.ask("!think hi") == "<think>\nhm well \n</think>\n\necho: !think hi"


async def test_errors_are_lines_of_text(server: Server) -> None:
    server.expected.append("the fake engine was told to crash")
    async with tutorial(server) as client:
        blank = await client.ask("   ")
        failed = await client.ask("!fail 2 a b c")
        fine = await client.ask("!say 2")
        crashed = await client.ask("!crash")
    assert failed.startswith("echo: !fail ")
    assert failed.endswith(".")
    assert crashed.strip().endswith("Its log has the details.")
    assert "empty" in blank.lower()
    assert fine == "w0 w1 "


async def test_a_frame_that_is_none_of_its_own_is_answered_as_text(server: Server) -> None:
    async with tutorial(server) as client:
        assert client._socket is not None
        await client._socket.send("hello?")
        assert "JSON" in await client.line()
