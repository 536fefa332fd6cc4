"""The stages need requirements-train.txt; where it is not installed their tests say so."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

NEEDED = ("datasets", "matplotlib", "peft", "tensorboard", "trl")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
if MISSING:
    # Modules that import the training libraries at their top cannot even be collected.
    collect_ignore = [
        path.name for path in Path(__file__).parent.glob("test_*.py") if "requires: requirements-train.txt" in path.read_text(encoding="utf-8")
    ]


def pytest_report_header() -> str | None:
    return f"micromind: stages are not tested, {', '.join(MISSING)} is missing: pip install -r requirements-train.txt" if MISSING else None


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second one, and two wait for each other where other work runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _no_data_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MICROMIND_DATA", raising=False)
