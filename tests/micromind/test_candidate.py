"""A new model beside the embedded one, and the rule that it must be worse in nothing (requires: requirements-train.txt)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from micromind import candidate, dialogues, folders, sources
from micromind.dialogues import Dialogue
from tests.micromind.tiny import SOURCES, data_folder, model_folder

pytestmark = pytest.mark.filterwarnings("default")


def measured(bits: float, refused: str = "7/9", loops: float = 0.0, right: str = "38/46") -> dict[str, object]:
    summary = {"right": {"refusal": refused, "(not seen)": right}, "stopped": 1.0, "loops": loops, "empty": 0}
    return {"held_out": {"a.jsonl": bits, "b.jsonl": bits}, "dialogues": {"greedy": summary}}


@pytest.mark.parametrize(
    ("after", "better", "worse"),
    [
        (measured(2.0), False, []),
        (measured(1.97), True, []),
        (measured(1.999), False, []),  # so little is chance
        (measured(2.001, right="39/46"), True, []),
        (measured(2.0, refused="9/9"), False, []),  # they are among those not seen
        (measured(1.0, refused="6/9"), False, ["right refusal, greedy"]),
        (measured(2.1, right="46/46"), False, ["held out, bits per byte"]),
        (measured(1.9, loops=0.1), False, ["loops, greedy"]),
    ],
)
def test_better_is_worse_in_nothing_and_clearly_better_in_something(after: dict[str, object], better: bool, worse: list[str]) -> None:
    assert candidate.verdict(candidate.figures(measured(2.0)), candidate.figures(after)) == (better, worse)


def test_two_models_are_measured_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "THIRD_PARTY", SOURCES)
    monkeypatch.setattr(candidate, "TOKENS", 4)
    monkeypatch.setattr(dialogues, "questions", lambda: [Dialogue("refusal", ["你好"], expect="never said"), Dialogue("open", ["hi", "and?"])])
    before = model_folder(tmp_path / "before")
    same = shutil.copytree(before, tmp_path / "same")
    options = ["--before", str(before), "--root", str(tmp_path / "models"), "--data", str(data_folder(tmp_path / "data"))]
    with pytest.raises(SystemExit) as caught:
        candidate.main([*options, "--after", str(same)])
    assert caught.value.code == candidate.NOT_BETTER
    output = tmp_path / "training" / "candidate"
    written = (output / "candidate.md").read_text(encoding="utf-8")
    assert written.endswith("The new model is not better: worse in nothing, and not clearly better in anything.\n")
    one, other = (folders.read_record(output, f"{role}.json") for role in ("before", "after"))
    assert one["held_out"] == other["held_out"]
    assert set(one["dialogues"]) == {"greedy", "sampled, seed 1", "sampled, seed 2", "sampled, seed 3"}
    assert one["dialogues"] == other["dialogues"]
    assert one["dialogues"]["greedy"]["answers"] == 3
    # The one that is there is not measured again for the next candidate.
    stamp = (output / "before.json").stat().st_mtime_ns
    with pytest.raises(SystemExit):
        candidate.main([*options, "--after", str(model_folder(tmp_path / "wider", hidden=32))])
    assert (output / "before.json").stat().st_mtime_ns == stamp
    assert folders.read_record(output, "after.json")["held_out"] != one["held_out"]
