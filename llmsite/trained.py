"""What `manage.py models list` says of a model that was trained here: micromind leaves training.json and evaluation.json in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def scores(folder: Path) -> str:
    """ "sft, tiny, loss 1.13; sums 4 %, GSM8K 0 %, stopped 88 %"; empty for a model without these records."""
    training, evaluation = _read(folder / "training.json"), _read(folder / "evaluation.json")
    if not training:
        return ""
    loss = _section(training, "figures").get("last_loss")
    made = [str(training.get("stage", "")), str(training.get("size", "")), f"loss {loss:.2f}" if isinstance(loss, int | float) else ""]
    figures = _section(evaluation, "figures")
    shares = {
        "sums": figures.get("sums_thinking" if evaluation.get("thinking") is True else "sums"),
        "GSM8K": figures.get("gsm8k"),
        "stopped": _section(figures, "format").get("stopped"),
    }
    measured = [f"{name} {100 * share:.0f} %" for name, share in shares.items() if isinstance(share, int | float)]
    judged = _section(figures, "judge")
    measured += [f"{name} {value:g}/10" for name, value in judged.items() if name != "judged" and isinstance(value, int | float)]
    return "; ".join(part for part in (", ".join(filter(None, made)), ", ".join(measured)) if part)


def _section(record: dict[str, Any], name: str) -> dict[str, Any]:
    section = record.get(name)
    return section if isinstance(section, dict) else {}


def _read(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
