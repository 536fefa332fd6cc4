from __future__ import annotations

from inference.detokenizer import Detokenizer
from inference.reasoning import State, ThinkingSplitter
from inference.stop_strings import StopStrings
from inference.text_stream import TextStream
from inference.types import Delta


def make(*stop: str, start: State = "start") -> TextStream:
    return TextStream(Detokenizer(lambda ids: "".join(map(chr, ids))), ThinkingSplitter(start), StopStrings(stop))


def feed(stream: TextStream, text: str) -> list[Delta]:
    return [delta for character in text for delta in stream.feed(ord(character))]


def joined(deltas: list[Delta], channel: str) -> str:
    return "".join(d.text for d in deltas if d.channel == channel)


def test_counts_each_token_once() -> None:
    stream = make()
    deltas = feed(stream, "<think>ab</think>\nxy")
    assert (joined(deltas, "thinking"), joined(deltas, "answer")) == ("ab", "xy")
    assert sum(d.tokens for d in deltas) == len("<think>ab</think>\nxy")


def test_a_stop_string_ends_the_answer_but_not_the_thinking() -> None:
    stream = make("END")
    deltas = feed(stream, "<think>an END here</think>yes END no")
    assert (joined(deltas, "thinking"), joined(deltas, "answer")) == ("an END here", "yes ")
    assert stream.stopped


def test_what_was_held_back_comes_at_the_end() -> None:
    stream = make("END")
    assert joined([*feed(stream, "yes EN"), *stream.flush()], "answer") == "yes EN"
    stream = make(start="thinking")
    assert joined([*feed(stream, "hm </thi"), *stream.flush()], "thinking") == "hm </thi"
    assert not stream.stopped


def test_a_held_tag_can_still_complete_a_stop_string() -> None:
    stream = make("<")
    assert feed(stream, "<") == []
    assert stream.flush() == []
    assert stream.stopped
