"""A LoRA adapter as a model of its own name, on the weights of a base model that is loaded: no second copy of them.

The two have a decode loop and a cache each, so they answer at the same time. What the base answers stays the same to the last bit: nothing of it is
changed. The adapter is decoded by torch, the base perhaps in C, so the adapter's answers come slower.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inference.errors import CannotAdapt
from inference.transformers_engine import TransformersEngine
from inference.types import LoadProgress, ProgressCallback, Sampling

if TYPE_CHECKING:
    from inference.loading import Loaded


class AdapterEngine(TransformersEngine):
    """`base`: the engine of the base model, started; it must stay so while this one runs. `folder`: what peft saved. The rest as there."""

    def __init__(
        self,
        base: TransformersEngine,
        folder: Path | str,
        *,
        name: str,
        max_streams: int = 8,
        max_context: int | None = None,
        defaults: Sampling | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__(folder, name=name, max_streams=max_streams, max_context=max_context, defaults=defaults, threads=threads)
        self._base = base

    def _read_model(self, report: ProgressCallback, *, native: bool) -> Loaded:
        from inference.loading import choose_threads
        from inference.low_rank import NoAdapter, adapted

        report(LoadProgress("loading the weights"))
        base = self._base.loaded
        if base is None:
            raise CannotAdapt(model=self._name, base=self._base.info.name, reason="a quantised model gives its weights up")
        try:
            model, weight_bytes = adapted(base.model, self._path)
        except NoAdapter as reason:
            raise CannotAdapt(model=self._name, base=self._base.info.name, reason=str(reason)) from reason
        self._threads = self._threads or choose_threads(base.weight_bytes)
        return replace(base, model=model, weight_bytes=weight_bytes, shared=True)
