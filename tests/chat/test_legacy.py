from __future__ import annotations

import json
from uuid import uuid4

from chat.legacy import LegacyWriter
from chat.protocol import End, Error, Frame, Notice, Pong, Queued, Start, Stream, TimingSeconds, UsageCount

RUN, ID = uuid4(), uuid4()
START = Start(run=RUN, conversation=ID, message=ID, parent=ID, model="m")
END = End(run=RUN, seq=9, finish_reason="stop", usage=UsageCount(completion_tokens=1), timing=TimingSeconds())


def text(content: str, channel: str = "answer") -> Stream:
    return Stream(run=RUN, seq=1, channel=channel, content=content)  # type: ignore[arg-type]


def read(*frames: Frame) -> list[str]:
    """The tutorial's reducer: what its list of lines holds in the end."""
    writer, lines, line = LegacyWriter(), [], ""
    for frame in frames:
        for wire in writer.translate(frame):
            message = json.loads(wire)
            assert set(message) <= {"type", "content"}
            match message["type"]:
                case "start":
                    line = message["content"]
                case "stream":
                    line += message["content"]
                case "end":
                    lines.append(line)
                    line = ""
                case other:
                    raise AssertionError(other)
    assert line == "", "every start must come to its end"
    return lines


def test_an_answer() -> None:
    queued = Queued(run=RUN, conversation=ID, message=ID, parent=ID, position=0)
    assert read(queued, START, text("a"), text("b"), END, Pong()) == ["ab"]


def test_thinking_stands_in_the_text() -> None:
    assert read(START, text("hm", "thinking"), text(" so", "thinking"), text("yes"), END) == ["<think>\nhm so\n</think>\n\nyes"]


def test_thinking_that_never_closed_is_closed() -> None:
    assert read(START, text("hm", "thinking"), END, START, text("a"), END) == ["<think>\nhm\n</think>\n\n", "a"]


def test_an_error_is_text() -> None:
    refused = Error(code="empty", message="The message is empty.")
    assert read(refused) == ["The message is empty."]
    assert read(START, text("a"), Error(code="x", message="It broke.", run=RUN), END) == ["a\n\nIt broke."]


def test_a_notice_is_text() -> None:
    assert read(Notice(code="system_set", message="Set.")) == ["Set."]


def test_a_continued_answer_begins_with_what_was_there() -> None:
    continued = START.model_copy(update={"content": "so far", "thinking": "hm"})
    assert read(continued, text(" and on"), END) == ["<think>\nhm\n</think>\n\nso far and on"]
