"""What is generated from the wire is up to date, and true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from chat import generate, protocol
from chat.protocol import CLIENT_FRAMES, SERVER_FRAMES, End, Error, Frame, Stream, TimingSeconds, UsageCount
from chat.protocol_prose import ANSWER, EXAMPLES, RUN, SEQUENCE

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads(generate.json_schema())
SENT = [frame for frame in [*EXAMPLES.values(), *SEQUENCE] if isinstance(frame, Frame)]


def errors(value: object, name: str) -> list[str]:
    schema = {"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize(("path", "text"), generate.files().items(), ids=str)
def test_the_files_are_those_of_the_models(path: Path, text: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == text, "run `python manage.py protocol`"


def test_every_frame_has_an_example() -> None:
    assert set(EXAMPLES) == {*CLIENT_FRAMES, *SERVER_FRAMES}


@pytest.mark.parametrize("frame", SENT, ids=lambda frame: type(frame).__name__)
def test_the_examples_are_what_the_schema_allows(frame: Frame) -> None:
    side = "ClientFrame" if isinstance(frame, CLIENT_FRAMES) else "ServerFrame"
    assert errors(json.loads(frame.wire()), side) == []


@pytest.mark.parametrize("frame", [f for f in SENT if isinstance(f, CLIENT_FRAMES)], ids=lambda frame: type(frame).__name__)
def test_the_server_takes_the_clients_examples(frame: Frame) -> None:
    assert protocol.parse(frame.wire()) == frame


def test_the_least_a_server_frame_can_say_is_allowed() -> None:
    least = [
        Stream(run=RUN, seq=1, content=""),
        End(run=RUN, seq=1, finish_reason="error", usage=UsageCount(completion_tokens=0), timing=TimingSeconds()),
        Error(code="x", message="X."),
    ]
    for frame in least:
        assert errors(json.loads(frame.wire()), "ServerFrame") == []


def test_the_schema_refuses_what_the_wire_refuses() -> None:
    assert errors({"type": "stop"}, "Stop")
    assert errors({"type": "continue", "message": str(ANSWER), "x": 1}, "Continue")
    assert errors({"message": "hi", "options": {"temperature": 3}}, "SendMessage")
    assert errors({"type": "stream", "run": str(RUN), "content": "no number"}, "Stream")


def test_a_client_may_meet_fields_that_it_does_not_know() -> None:
    assert errors({"type": "pong", "someday": 1}, "Pong") == []


def test_the_sequence_is_numbered_without_a_gap() -> None:
    """The example in the documentation keeps the rules that it illustrates."""
    seen: dict[str, int] = {}
    for frame in SEQUENCE:
        seq = getattr(frame, "seq", None)
        if isinstance(frame, Frame) and isinstance(seq, int):
            run = str(getattr(frame, "run", ""))
            assert (getattr(frame, "first", None) or seq) == seen.get(run, -1) + 1
            seen[run] = seq
    assert len(seen) == 2


def test_every_field_is_documented() -> None:
    text = generate.markdown()
    for frame in (*CLIENT_FRAMES, *SERVER_FRAMES, protocol.Options):
        for name in frame.model_fields:
            assert name == "type" or f"| `{name}` |" in text


def test_javascript_has_every_type_and_range() -> None:
    text = generate.javascript()
    types = re.findall(r'^  [A-Z]+: "(\w+)",$', text, re.MULTILINE)
    assert {generate.type_of(frame) for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)} <= set(types)
    assert re.search(r'temperature: Object\.freeze\(\{"min": 0, "max": 2, "type": "number"', text)
