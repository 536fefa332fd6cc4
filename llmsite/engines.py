"""Which models a server can answer with, and which engine each of them means. The only place that knows all kinds of engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inference.catalog import FoundModel, found_models, resolve
from inference.engine import Engine
from inference.errors import CannotAdapt, ModelNotFound
from inference.types import Sampling
from llmsite.config import BackendConfig, Config, ModelConfig

if TYPE_CHECKING:
    from inference.openai_engine import OpenAIEngine

FAKE = "fake"
BITS = {"int8": 8, "int4": 4}


def known_models(config: Config, default: ModelConfig | None = None) -> dict[str, ModelConfig]:
    """By name: the default one first, then those of llmsite.toml, the embedded one and the downloaded ones. Looks at folders only.

    `default`: what it was found to be before, whatever has become of its folder.
    """
    found = found_models(config.models_dir, config.embedded_model)
    default = default or _default(config, found)
    models = {default.name: default}
    for model in config.models.values():
        models.setdefault(model.name, model)
    for here in found:
        models.setdefault(here.name, _of_folder(here))
    return models


def default_model(config: Config) -> ModelConfig:
    """What the configuration calls its default, be there such a model or not."""
    return _default(config, found_models(config.models_dir, config.embedded_model))


def _default(config: Config, found: list[FoundModel]) -> ModelConfig:
    if config.model in config.models:
        return config.models[config.model]
    if config.model == FAKE:
        return ModelConfig(name=FAKE, engine=FAKE)
    try:
        folder = resolve(config.model, config.models_dir, config.embedded_model)
    except ModelNotFound:
        return ModelConfig(name=_short_name(config.model), path=config.model)
    for here in found:
        if here.folder.resolve() == folder.resolve() and here.name not in config.models:
            return _of_folder(here)
    name = _short_name(config.model)
    taken = name in config.models or any(here.name == name for here in found)
    return ModelConfig(name=f"{name} (default)" if taken else name, path=str(folder))


def _of_folder(found: FoundModel) -> ModelConfig:
    return ModelConfig(name=found.name, path=str(found.folder.resolve()))


def _short_name(model: str) -> str:
    """What clients are told: of a folder its last part, because where it lies is the owner's business."""
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() or folder.is_absolute() else model


def is_remote(model: ModelConfig) -> bool:
    """Computed elsewhere: costs no memory here."""
    return model.engine == "openai"


def folder_of(config: Config, model: ModelConfig) -> Path:
    """Where a local model lies; of an adapter, the model that it is for. Raises ModelNotFound."""
    if model.base:
        base = config.models.get(model.base)
        return folder_of(config, base) if base else resolve(model.base, config.models_dir, config.embedded_model)
    return resolve(model.path, config.models_dir, config.embedded_model)


def build_engine(config: Config, model: ModelConfig | None = None) -> Engine:
    """The engine of `model` (None: of the default one), not started. Raises EngineError when there is no such model."""
    model = model or default_model(config)
    defaults = _sampling(model)
    max_streams = model.max_streams or config.max_streams
    if model.engine == FAKE:
        return _fake(model, max_streams)
    if model.engine == "openai":
        return _openai(model, defaults, model.max_streams or max(16, max_streams))
    return _transformers(config, model, defaults, max_streams)


def build_adapter(config: Config, model: ModelConfig, base: Engine) -> Engine:
    """The engine of an adapter on the weights of its base's engine, which is started. Raises CannotAdapt."""
    from inference.adapter_engine import AdapterEngine
    from inference.transformers_engine import TransformersEngine

    if not isinstance(base, TransformersEngine):
        raise CannotAdapt(model=model.name, base=model.base, reason="its weights are not here")
    return AdapterEngine(
        base,
        adapter_folder(config, model),
        name=model.name,
        max_streams=model.max_streams or config.max_streams,
        max_context=model.context_window,
        defaults=_sampling(model),
    )


def adapter_folder(config: Config, model: ModelConfig) -> Path:
    """As it is named, or below the folder of downloaded and trained models."""
    named = Path(model.path).expanduser()
    return named if named.is_dir() else config.models_dir / named


def _sampling(model: ModelConfig) -> Sampling:
    return Sampling(**{name: tuple(value) if name == "stop" else value for name, value in model.sampling.items()})


def _fake(model: ModelConfig, max_streams: int) -> Engine:
    from inference.fake import FakeEngine

    return FakeEngine(name=model.name, max_streams=max_streams, context_window=model.context_window or 4096, delay_s=0.02)


def _openai(model: ModelConfig, defaults: Sampling, max_streams: int) -> Engine:
    if model.backends:
        return _balanced(model, defaults, max_streams)
    only = BackendConfig(base_url=model.base_url, api_key_env=model.api_key_env, max_streams=max_streams)
    return _server(model, only, defaults, max_streams, model.connect_timeout_s or 10.0)


def _balanced(model: ModelConfig, defaults: Sampling, max_streams: int) -> Engine:
    from inference.balanced_engine import BalancedEngine, Member

    connect_s = model.connect_timeout_s or 3.0
    members = [Member(one.name, _server(model, one, defaults, max_streams, connect_s), one.weight) for one in model.backends]
    return BalancedEngine(model.name, members)


def _server(model: ModelConfig, backend: BackendConfig, defaults: Sampling, max_streams: int, connect_s: float) -> OpenAIEngine:
    from inference.openai_engine import OpenAIEngine

    return OpenAIEngine(
        name=model.name,
        base_url=backend.base_url,
        model=backend.model or model.model,
        api_key_env=backend.api_key_env or None,
        context_window=model.context_window,
        max_streams=backend.max_streams or max_streams,
        parameters=model.parameters,
        defaults=defaults,
        timeout_s=model.timeout_s,
        connect_timeout_s=connect_s,
    )


def _transformers(config: Config, model: ModelConfig, defaults: Sampling, max_streams: int) -> Engine:
    from inference.transformers_engine import TransformersEngine

    return TransformersEngine(
        folder_of(config, model),
        name=model.name,
        max_streams=max_streams,
        device=model.device,
        dtype=model.dtype,
        max_context=model.context_window,
        offload=config.data / "offload" / model.name.replace("/", "--") if model.offload else None,
        defaults=defaults,
        native=config.native,
        quantize=bits_of(config, model),
    )


def bits_of(config: Config, model: ModelConfig) -> int | None:
    """The bits of a quantised weight; None: not quantised."""
    return BITS.get(model.quantize or config.quantize)
