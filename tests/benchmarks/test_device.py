from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import device
from benchmarks.device import measure, questions, table
from benchmarks.shapes import half_b
from tests.benchmarks.test_shapes import SMALL


def test_questions_are_all_different() -> None:
    assert len(set(questions(128))) == 128


def test_both_decode_on_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way that a GPU would go, with a tiny model."""
    monkeypatch.setattr(device, "READ_BYTES", 2**22)
    folder = half_b(tmp_path / "half-b", **SMALL)
    result = measure(folder, "cpu", [1, 3], tokens=8, rounds=1, native=Path(os.environ["LLMSITE_NATIVE"]))
    assert [row["streams"] for row in result["streams"]] == [1, 3]
    assert all(row["engine"] > 0 and row["generate"] > 0 for row in result["streams"])
    text = table(result)
    assert text.startswith("On cpu, 1 rounds, 8 tokens")
    assert text.count("\n") == 5
