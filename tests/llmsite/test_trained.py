from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmsite.trained import scores

TRAINING = {"stage": "sft", "size": "tiny", "figures": {"last_loss": 1.131}}
EVALUATION = {"thinking": False, "figures": {"sums": 0.04, "sums_thinking": 0.5, "gsm8k": None, "format": {"stopped": 0.875}}}


def folder_with(folder: Path, training: Any = None, evaluation: Any = None) -> Path:
    for name, record in (("training.json", training), ("evaluation.json", evaluation)):
        if record is not None:
            (folder / name).write_text(record if isinstance(record, str) else json.dumps(record))
    return folder


def test_a_model_from_elsewhere_has_none(tmp_path: Path) -> None:
    assert scores(tmp_path) == ""
    assert scores(folder_with(tmp_path, evaluation=EVALUATION)) == ""


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    assert scores(folder_with(tmp_path, TRAINING)) == "sft, tiny, loss 1.13"
    assert scores(folder_with(tmp_path, TRAINING, EVALUATION)) == "sft, tiny, loss 1.13; sums 4 %, stopped 88 %"


def test_a_stage_that_thinks_is_scored_thinking(tmp_path: Path) -> None:
    assert "sums 50 %" in scores(folder_with(tmp_path, TRAINING, EVALUATION | {"thinking": True}))


def test_a_judges_scores_are_shown(tmp_path: Path) -> None:
    figures = {"judge": {"language": 3.5, "knowledge": None, "efficiency": 2, "judged": 9, "by": "big"}}
    assert scores(folder_with(tmp_path, TRAINING, {"figures": figures})) == "sft, tiny, loss 1.13; language 3.5/10, efficiency 2/10"


@pytest.mark.parametrize("broken", ["{", "[]", '{"figures": 3}', '{"stage": null, "figures": {"last_loss": "x"}}'])
def test_records_out_of_form_break_nothing(tmp_path: Path, broken: str) -> None:
    assert isinstance(scores(folder_with(tmp_path, broken, broken)), str)
