"""Frames that no client of ours sends: an answer for each, the connection lives, and the log has no traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.end_to_end.client import Client
from tests.end_to_end.server import Kind, Server

pytestmark = pytest.mark.process

TYPES = ["message", "stop", "resume", "regenerate", "continue", "edit", "ping"]
FIELDS = ["type", "message", "conversation", "parent", "key", "options", "run", "after", "content", "v", "", "__proto__"]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.floats(),
    st.text(max_size=30),
    st.text(alphabet=st.characters(codec=None), max_size=10),  # surrogates and NUL, too
    st.uuids().map(str),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8)
any_json = values.map(json.dumps)
frames = st.builds(
    lambda kind, fields: json.dumps({"type": kind} | fields),
    st.sampled_from(TYPES) | st.text(max_size=10),
    st.dictionaries(st.sampled_from(FIELDS[1:]), values, max_size=5),
)
strange_options = st.dictionaries(
    st.sampled_from(["max_tokens", "temperature", "top_p", "top_k", "seed", "stop", "thinking", "preset", "x"]), values, min_size=1, max_size=4
)
messages = st.builds(lambda text, options: json.dumps({"message": text, "options": options}), st.text(max_size=20), strange_options)
anything = st.one_of(any_json, frames, messages, st.text(max_size=60).filter(lambda text: _is_utf8(text)), st.binary(max_size=60))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Line:
    """One connection of one client, driven from outside the event loop that it lives in."""

    def __init__(self, server: Server) -> None:
        self.loop = asyncio.new_event_loop()
        self.server = server
        self.client = Client(server)
        self.run(self.client.connect())
        Client.connected.discard(self.client)  # it outlives each test
        self.connects = 1

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def close(self) -> None:
        self.run(self.client.leave())
        self.loop.close()

    def answer(self, text: str | bytes) -> dict[str, Any]:
        """Send it, and return the first frame that answers it."""
        return self.run(self._answer(text))

    async def _answer(self, text: str | bytes) -> dict[str, Any]:
        client = self.client
        began, known = len(client.frames), set(client.runs)
        await client.send_text(text)
        await client.until(lambda: any(_answers(frame, known) for frame in client.frames[began:]), f"an answer to {text!r}")
        found = next(frame for frame in client.frames[began:] if _answers(frame, known))
        if found["type"] in ("queued", "start"):  # it was a message after all
            await client.send(type="stop", run=found["run"])
            await client.finish(client.runs[found["run"]])
        return found


def _answers(frame: dict[str, Any], known: set[str]) -> bool:
    if frame["type"] == "changed":  # news of the run before, which was stopped
        return False
    return "run" not in frame or frame.get("code") == "no_run" or frame["run"] not in known


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def line(request: pytest.FixtureRequest, folder: Path) -> Iterator[Line]:
    kind: Kind = request.param
    server = Server(kind, folder / f"fuzz-{kind}")
    try:
        opened = Line(server.start())
        try:
            yield opened
        finally:
            opened.close()
        server.check_log()
    finally:
        server.kill()


FUZZ = settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
NESTED = "[" * 20_000 + "]" * 20_000


@FUZZ
@given(text=anything)
@example(text="")
@example(text="null")
@example(text="[]")
@example(text="{}")
@example(text=NESTED)
@example(text='{"a":' * 20_000 + "1" + "}" * 20_000)
@example(text='{"message": "\\ud83d"}')
@example(text='{"message": "a\\u0000b"}')
@example(text='{"message": "hi", "key": "\\udc00"}')
@example(text='{"\\ud800": 1}')
@example(text='{"message": "hi", "conversation": "\\u0000"}')
@example(text='{"type": "resume", "run": "00000000-0000-0000-0000-000000000000", "after": ' + "9" * 4000 + "}")
@example(text='{"type": "resume", "run": "00000000-0000-0000-0000-000000000000", "after": ' + "9" * 5000 + "}")
@example(text='{"message": "hi", "options": {"temperature": NaN}}')
@example(text='{"message": "hi", "options": {"temperature": 1e999}}')
@example(text='{"message": "hi", "options": {"seed": 1e300}}')
@example(text='{"message": "hi", "options": {"stop": ["\\ud800"]}}')
@example(text='{"message": 1, "message": "hi"}')
@example(text='{"type": ["message"], "message": "hi"}')
@example(text='{"message": "' + "x" * 100_001 + '"}')
@example(text=b"\x00\xff\xfe")
@example(text=b"")
def test_each_gets_an_answer_and_the_connection_lives(line: Line, text: str | bytes) -> None:
    answer = line.answer(text)
    assert answer["type"] in ("error", "notice", "queued", "start", "pong")
    if answer["type"] == "error":
        assert answer["code"] != "internal", f"{text!r} was not refused, but failed: {answer}"
        assert answer["message"]
    assert line.client.closed is None
    assert line.connects == 1


def test_it_still_answers_after_all_that(line: Line) -> None:
    view = line.run(line.client.ask("hello"))
    assert view.answer == "echo: hello"
