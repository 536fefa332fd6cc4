from __future__ import annotations

from typing import Any

import pytest

from benchmarks import phone
from benchmarks.phone import CLIENT, FRAME_MS, PAGE, STREAMING


def test_missed_frames_are_those_that_the_screen_would_have_shown() -> None:
    smooth, halved = [FRAME_MS] * 60, [2 * FRAME_MS] * 30
    assert phone.late({"gaps": smooth}) == pytest.approx(0)
    assert phone.late({"gaps": halved}) == pytest.approx(0.5)


def test_ratios_are_taken_within_a_round() -> None:
    def streamed(cpu_s: float) -> dict[str, Any]:
        return {"gaps": [FRAME_MS] * 60, "long": [], "cpu_s": cpu_s}

    ways = {way.name: [streamed(1), streamed(100), streamed(3)] for way in STREAMING}
    ways[PAGE.name] = [streamed(2), streamed(50), streamed(6)]
    assert "| **processor, ratio to the chat page** | | | | | | 0.50 × |" in phone.stream_table(ways, cpu=True)


def test_the_start_is_told_in_medians() -> None:
    def visit(paint: float) -> dict[str, Any]:
        return {"paint": paint, "text": 2 * paint, "usable": 3 * paint, "kilobytes": 100}

    rounds = [{"first": visit(paint), "again": visit(paint / 2)} for paint in (10, 30, 1000)]
    table = phone.start_table({CLIENT.name: rounds, PAGE.name: rounds})
    assert f"| {CLIENT.name} | 30 | 60 | 90 | 100 | 15 | 45 |" in table
    assert table.count("1.00 ×") == 6
