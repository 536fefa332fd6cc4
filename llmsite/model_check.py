"""Whether a model, by any of the names it goes by, will run on this computer: `manage.py models check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inference.catalog import UnknownModel, is_hub_name, resolve
from inference.errors import BrokenModel
from inference.fit import FitReport, disk_bandwidth, estimate, memory_bandwidth, read_config, text_config, weight_files
from inference.hardware import Hardware, bytes_per_weight
from llmsite.config import Config

DEFAULT_CONTEXT = 4096
"""Tokens of conversation to reckon with, where the model takes that many."""


@dataclass(frozen=True, slots=True)
class Question:
    context: int | None
    streams: int
    hub: bool
    """Ask the hub about a model that is not here."""
    mirror: str | None
    bits: int | None = None
    """Of a quantised weight; None: as the model is loaded by itself."""
    native: bool = True
    """Whether a model may be decoded in C."""


def fit_report(name: str, config: Config, computer: Hardware, question: Question) -> FitReport:
    """From config and file sizes alone. Raises EngineError with the sentence that says why there is no answer."""
    try:
        folder = resolve(name, config.models_dir, config.embedded_model)
    except UnknownModel as error:
        if not is_hub_name(name):
            raise
        if not question.hub:
            raise UnknownModel(**error.params | {"hint": f"{error.params['hint']} To ask the hub about it before: --hub."}) from None
        return _on_the_hub(name, computer, question)
    files = weight_files(folder)
    raw, weight_bytes = read_config(folder), sum(path.stat().st_size for path in files)
    report = _estimate(name, raw, weight_bytes, computer, question)
    if report.on_disk:
        report = _estimate(name, raw, weight_bytes, computer, question, disk_bandwidth(files[-1]))
    return report


def _on_the_hub(name: str, computer: Hardware, question: Question) -> FitReport:
    from inference.download import Hub  # late: huggingface_hub is only needed here

    hub = Hub(question.mirror)
    model = hub.look_up(name)
    return _estimate(name, hub.read_json(model, "config.json"), model.weight_bytes, computer, question)


def _estimate(
    name: str, raw: dict[str, Any], weight_bytes: int, computer: Hardware, question: Question, disk_bytes_per_s: float | None = None
) -> FitReport:
    try:
        limit = int(text_config(raw).get("max_position_embeddings") or DEFAULT_CONTEXT)
        return estimate(
            raw,
            weight_bytes=weight_bytes,
            gpu_bytes=computer.gpu.free if computer.gpu else None,
            ram_bytes=computer.ram_free,
            context=question.context or min(limit, DEFAULT_CONTEXT),
            streams=question.streams,
            dtype_bytes=bytes_per_weight(raw, computer, weight_bytes),
            ram_bandwidth=memory_bandwidth(),
            disk_bandwidth=disk_bytes_per_s,
            native=question.native and computer.compiler,
            bits=question.bits,
        )
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise BrokenModel(path=name, reason=f"config.json holds values that make no sense ({error}).") from None
