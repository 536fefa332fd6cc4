"""The models as clients see them: names, never where they lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chat.sentences import sentence
from inference.errors import EngineError
from inference.fit import read_config, text_config, weight_files
from inference.types import SAMPLING_NAMES, EngineInfo, Sampling
from llmsite.config import Config, ModelConfig
from llmsite.engines import FAKE, folder_of, is_remote
from llmsite.pool import EnginePool, told
from llmsite.room import LONGEST_CONTEXT

SAID_BY_MODELS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")


def model_list(config: Config, pool: EnginePool, language: str = "en") -> list[dict[str, Any]]:
    """All models, the default one first. What runs or has run says about itself; of the others, what a look at their files tells, else null."""
    return [_one(config, pool, model, language) for model in pool.models().values()]


def _one(config: Config, pool: EnginePool, model: ModelConfig, language: str) -> dict[str, Any]:
    view = pool.view(model.name)
    state, error = view.state, view.error
    about = _running(view.info) if view.info is not None else _remote(model) if is_remote(model) else None
    if about is None:
        try:
            about = _on_disk(config, model)
        except (EngineError, OSError, ValueError, TypeError, AttributeError) as broken:
            about = {"context_window": model.context_window, "parameters": [], "sampling": {}, "thinking": False}
            if state == "idle" and isinstance(broken, EngineError):
                state, error = "failed", told(broken, model)
    return {
        "name": model.name,
        "default": model.name == pool.default,
        "state": state,
        "progress": view.progress.fraction if view.progress is not None else None,
        "remote": is_remote(model),
        **about,
        "why": sentence(error.code, language, str(error), **error.params) if error is not None else "",
    }


def _running(info: EngineInfo) -> dict[str, Any]:
    return {
        "context_window": info.context_window,
        "parameters": _parameters(info.parameters, thinking=info.thinking == "optional"),
        "sampling": info.defaults.said(),
        "thinking": info.thinking != "none",
    }


def _remote(model: ModelConfig) -> dict[str, Any]:
    from inference.openai_request import understood

    names = understood(frozenset(model.parameters))
    thinking = "thinking" in names
    return {
        "context_window": model.context_window,
        "parameters": _parameters(names, thinking=thinking),
        "sampling": dict(model.sampling),
        "thinking": thinking,
    }


def _on_disk(config: Config, model: ModelConfig) -> dict[str, Any]:
    """Raises EngineError for what could not be loaded."""
    if model.engine == FAKE:
        return {"context_window": model.context_window, "parameters": list(SAMPLING_NAMES), "sampling": {}, "thinking": True}
    folder = folder_of(config, model)
    weight_files(folder)
    limit = text_config(read_config(folder)).get("max_position_embeddings")
    window = min(model.context_window or LONGEST_CONTEXT, int(limit) if limit else LONGEST_CONTEXT)
    template = _read(folder / "chat_template.jinja") or str(_json(folder / "tokenizer_config.json").get("chat_template", ""))
    switch = "enable_thinking" in template
    said = _json(folder / "generation_config.json")
    own = Sampling(**{name: said[name] for name in SAID_BY_MODELS if said.get(name) is not None})
    return {
        "context_window": window,
        "parameters": _parameters(frozenset(SAMPLING_NAMES), thinking=switch),
        "sampling": {**own.said(), **model.sampling},
        "thinking": switch or "<think>" in template,
    }


def _parameters(names: frozenset[str], *, thinking: bool) -> list[str]:
    """In one order always. `thinking` is among them where it can be chosen: a switch that changes nothing is none."""
    return [name for name in SAMPLING_NAMES if name in names and (name != "thinking" or thinking)]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(path) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
