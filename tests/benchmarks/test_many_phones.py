"""What the phones of the benchmark make of their frames: a loss that is not counted would be worse than none measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import many_phones
from benchmarks.many_load import _frame, answer_of
from benchmarks.sections import replace_section


def seen(*frames: dict[str, Any]) -> list[tuple[float, bytes]]:
    return [(float(number), json.dumps(frame).encode()) for number, frame in enumerate(frames)]


START = {"type": "start", "seq": 0, "run": "r", "conversation": "c"}
END = {"type": "end", "seq": 4, "usage": {"completion_tokens": 3}}


def test_merged_frames_lose_nothing() -> None:
    one, two = {"type": "stream", "seq": 1, "content": "a"}, {"type": "stream", "first": 2, "seq": 3, "content": "bc"}
    answer = answer_of(seen({"type": "queued"}, START, one, two, END))
    assert answer == {"run": "r", "conversation": "c", "text": "abc", "pieces": [(1, 1, 2.0), (2, 3, 3.0)], "lost": 0, "tokens": 3}


def test_a_gap_and_a_repetition_are_counted() -> None:
    one, three = {"type": "stream", "seq": 1, "content": "a"}, {"type": "stream", "seq": 3, "content": "c"}
    assert answer_of(seen(START, one, three, END))["lost"] == 1
    assert answer_of(seen(START, one, one, three, END))["lost"] == 2


@pytest.mark.parametrize("length", [3, 125, 126, 70_000])
def test_frames_are_cut_where_they_end(length: int) -> None:
    body = b"x" * length
    size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big") if length < 65_536 else b"\x7f" + length.to_bytes(8, "big")
    whole = b"\x81" + size + body
    assert _frame(whole + b"more") == (1, body, len(whole))
    assert _frame(whole[:-1]) is None


def test_a_section_is_replaced_between_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- x: begin -->\nold\n<!-- x: end -->\nbehind\n")
    replace_section(file, "x", "new")
    assert file.read_text() == "before\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nbehind\n"
    with pytest.raises(ValueError, match="once"):
        replace_section(file, "y", "new")


class StubLoad:
    """Phones that answer with their own token."""

    def __init__(self, port: int) -> None:
        self.port, self.open, self.order = port, list[str](), dict[str, Any]()

    def send(self, **order: Any) -> None:
        self.order = order
        self.open = order.get("open", self.open)

    def hear(self) -> dict[str, Any]:
        told: dict[str, Any] = {"closed": self.port}
        return told | ({"answers": self.open, "began": self.port, "ended": 10 - self.port} if "ask" in self.order else {})


def test_phones_at_several_ports_answer_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_phones, "Load", StubLoad)
    loads = many_phones.Loads([1, 2])
    assert loads.tell(open=["a", "b", "c", "d", "e"]) == {"closed": 3}
    assert loads.tell(ask=["x"]) == {"closed": 3, "began": 1, "ended": 9, "answers": ["a", "b", "c", "d", "e"]}
