"""From text to the report in one command (requires: requirements-train.txt)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from micromind import evaluate, recipe, sources
from tests.micromind.tiny import SOURCES, data_folder

pytestmark = pytest.mark.filterwarnings("default")

STAGES = ("pretrain", "sft", "dpo", "lora", "reason", "grpo")


def test_every_stage_and_one_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "THIRD_PARTY", SOURCES)
    monkeypatch.setattr(sources, "OWN", ())
    for name in ("SYNTHETIC_PRETRAIN", "SYNTHETIC_SFT", "SYNTHETIC_REASON"):
        monkeypatch.setattr(sources, name, 8)
    monkeypatch.setitem(evaluate.AMOUNTS, "small", evaluate.Amounts(documents=2, sums=2, gsm8k=0, dialogues=2, tokens=4))
    done = evaluate.measure
    measured: list[str] = []

    def measure(folder: Path, plan: evaluate.Plan) -> dict[str, object]:
        measured.append(folder.name.removeprefix("micromind-tiny-"))
        return done(folder, plan)

    monkeypatch.setattr(evaluate, "measure", measure)
    short = ["--steps", "1", "--batch", "4", "--length", "128", "--no-bf16", "--report-to", "none"]
    command = ["--root", str(tmp_path / "models"), "--data", str(data_folder(tmp_path / "data")), "--amounts", "small", *short]
    recipe.main(command)
    assert sorted(measured) == sorted(STAGES)
    report = tmp_path / "training" / "report-tiny" / "report.md"
    written = report.read_text(encoding="utf-8")
    assert "| question | " + " | ".join(f"micromind-tiny-{stage}" for stage in STAGES) + " |" in written
    assert (report.parent / "bits_per_byte.png").is_file()
    # Again: nothing is trained or measured, and the report is the same.
    measured.clear()
    recipe.main(command)
    assert measured == []
    assert report.read_text(encoding="utf-8") == written
    # One stage's weights are others now, as if it had been trained anew: that one is measured, as it is with other questions.
    os.utime(tmp_path / "models" / "micromind-tiny-sft" / "model.safetensors", ns=(1, 1))
    recipe.main(command)
    assert measured == ["sft"]
    recipe.main([*command[:-4], "--only", "evaluate", "--seed", "2"])
    assert sorted(measured[1:]) == sorted(STAGES)
