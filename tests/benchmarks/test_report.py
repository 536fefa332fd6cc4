"""What the benchmark makes of its figures: a wrong ratio would be worse than none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.load import Answer, added_ms
from benchmarks.report import MARKS, markdown, percentile, ratios, summarise, targets, write_section


def one_round(tokens: int, seconds: float, *first_s: float, added: float = 1.0) -> dict[str, Any]:
    return {"tokens": tokens, "seconds": seconds, "first_s": list(first_s), "cpu_s": 0.5, "yielded": [added], "decoded": [added]}


def result(**changes: Any) -> dict[str, Any]:
    ours, theirs = [one_round(300, 1.0, 0.1)], [one_round(100, 1.0, 0.2)]
    row = {"clients": 8, "ratio": ratios(ours, theirs), "llmsite": summarise(ours), "tutorial": summarise(theirs), "bare": summarise(ours)}
    memory = {"llmsite_mb": 500, "bare_mb": 450, "above_mb": 50, "tutorial_mb": 460}
    fixed = {"when": "2026-01-01", "machine": "a machine", "model": "m", "rounds": 1, "max_tokens": 9, "max_streams": 8}
    return fixed | {"clients": [row], "memory": memory} | changes


def test_percentiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert [percentile(values, share) for share in (0, 0.5, 0.99, 1)] == [1.0, 3.0, 5.0, 5.0]
    assert percentile([7.0], 0.5) == 7.0


def test_ratios_are_taken_round_by_round() -> None:
    """A round in which the computer was busy is slow for both, and says the same."""
    ours = [one_round(300, 1.0, 0.1), one_round(300, 10.0, 1.0), one_round(300, 1.0, 0.1)]
    theirs = [one_round(100, 1.0, 0.2), one_round(100, 10.0, 2.0), one_round(100, 2.0, 0.2)]
    assert ratios(ours, theirs) == {"tokens_per_s": 3.0, "first": 0.5}


def test_a_merged_frame_counts_for_each_of_its_tokens() -> None:
    answer = Answer(asked=0.0, run="r", received=[(1, 1, 10.001), (2, 4, 10.010)])
    assert added_ms([answer], {"r": [[10.0], [10.002], [10.004, 10.005], [10.006]]}) == pytest.approx([1, 8, 6, 5, 4])


def test_targets_are_reached_or_missed() -> None:
    assert all(reached for _, _, reached in targets(result()))
    slow = result()
    slow["clients"][0]["ratio"] = {"tokens_per_s": 2.99, "first": 0.51}
    slow["clients"][0]["llmsite"]["yielded_p50_ms"] = 5.1
    slow["memory"]["above_mb"] = 151
    assert not any(reached for _, _, reached in targets(slow))
    assert markdown(slow).count("**missed**") == 4


def test_the_section_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    file.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    for _ in range(2):
        write_section(file, result())
    text = file.read_text()
    assert text.startswith(f"before\n{MARKS[0]}\n")
    assert text.endswith(f"{MARKS[1]}\nafter\n")
    assert "old" not in text
    assert text.count("| tokens/s, llmsite | 300.0 |") == 1


def test_a_file_without_the_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("nothing")
    with pytest.raises(ValueError, match="must have the marks"):
        write_section(tmp_path / "other.md", result())
