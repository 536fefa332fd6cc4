"""Which engine a configuration means. The only place that knows all three."""

from __future__ import annotations

from pathlib import Path

from inference.engine import Engine
from inference.types import Sampling
from llmsite.config import EMBEDDED_MODEL, Config, ModelConfig


def build_engine(config: Config) -> Engine:
    """The engine of the chosen model, not started. Raises EngineError when there is no such model."""
    model = config.models.get(config.model) or ModelConfig(name=_short_name(config.model), path=config.model)
    defaults = Sampling(**{name: tuple(value) if name == "stop" else value for name, value in model.sampling.items()})
    max_streams = model.max_streams or config.max_streams
    if model.engine == "fake" or (config.model == "fake" and "fake" not in config.models):
        return _fake(model, max_streams)
    if model.engine == "openai":
        return _openai(model, defaults, model.max_streams or max(16, max_streams))
    return _transformers(config, model, defaults, max_streams)


def _short_name(model: str) -> str:
    """What clients are told: of a folder its last part, because where it lies is the owner's business."""
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() else model


def _fake(model: ModelConfig, max_streams: int) -> Engine:
    from inference.fake import FakeEngine

    return FakeEngine(max_streams=max_streams, context_window=model.context_window or 4096, delay_s=0.02)


def _openai(model: ModelConfig, defaults: Sampling, max_streams: int) -> Engine:
    from inference.openai_engine import OpenAIEngine

    return OpenAIEngine(
        name=model.name,
        base_url=model.base_url,
        model=model.model,
        api_key_env=model.api_key_env or None,
        context_window=model.context_window,
        max_streams=max_streams,
        parameters=model.parameters,
        defaults=defaults,
        timeout_s=model.timeout_s,
    )


def _transformers(config: Config, model: ModelConfig, defaults: Sampling, max_streams: int) -> Engine:
    from inference.catalog import resolve
    from inference.transformers_engine import TransformersEngine

    folder = config.embedded_model if model.path == EMBEDDED_MODEL else resolve(model.path, config.models_dir, config.embedded_model)
    return TransformersEngine(
        folder,
        name=model.name,
        max_streams=max_streams,
        device=model.device,
        dtype=model.dtype,
        max_context=model.context_window,
        offload=config.data / "offload" / model.name.replace("/", "--") if model.offload else None,
        defaults=defaults,
    )
