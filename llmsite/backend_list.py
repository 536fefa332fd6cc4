"""How the servers of each model with `[[models.NAME.backends]]` are just now, for the owner: addresses are among it."""

from __future__ import annotations

from typing import Any

from chat.sentences import sentence
from inference.errors import EngineError
from inference.types import BackendView
from llmsite.config import ModelConfig
from llmsite.pool import EnginePool


def backend_list(pool: EnginePool, language: str = "en") -> list[dict[str, Any]]:
    """In the order of llmsite.toml. `state` is `up`, `trying`, `down`, or `unasked` while nobody has asked the model; `said` puts it in words,
    `why` says what a server failed with; `since` is in seconds since 1970, `retry_s` in seconds from now;
    these and `max_streams` are null where nothing is known."""
    engines = pool.ready()
    found: list[dict[str, Any]] = []
    for model in pool.models().values():
        engine = engines.get(model.name)
        views = engine.info.backends if engine is not None else ()
        found += [_seen(model.name, view, language) for view in views] or _not_seen(model, pool.view(model.name).error, language)
    return found


def _seen(model: str, view: BackendView, language: str) -> dict[str, Any]:
    return {
        "model": model,
        "name": view.name,
        "url": view.url,
        "state": view.state,
        "said": sentence(f"server_{view.state}", language),
        "why": sentence(view.code, language, view.why, **view.params) if view.why else "",
        "running": view.running,
        "max_streams": view.max_streams,
        "since": view.since,
        "retry_s": view.retry_s,
    }


def _not_seen(model: ModelConfig, error: EngineError | None, language: str) -> list[dict[str, Any]]:
    """Of a model that is not started, or that none of its servers let start."""
    state = "down" if error is not None else "unasked"
    about = {
        "state": state,
        "said": sentence(f"server_{state}", language),
        "why": sentence(error.code, language, str(error), **error.params) if error is not None else "",
        "running": 0,
        "since": None,
        "retry_s": None,
    }
    return [{"model": model.name, "name": one.name, "url": one.base_url, "max_streams": one.max_streams, **about} for one in model.backends]
