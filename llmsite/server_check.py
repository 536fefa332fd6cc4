"""Whether the servers of a model that is computed elsewhere answer: `manage.py models check`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from chat.sentences import sentence
from inference.balanced_engine import BalancedEngine
from inference.errors import EngineError
from inference.types import BackendView
from llmsite.config import BackendConfig, Config, ModelConfig
from llmsite.engines import build_engine


def look_at_servers(config: Config, model: ModelConfig) -> tuple[BackendView, ...]:
    """Ask each server whether it is there. Raises EngineError for what the owner must mend first: a missing key, a malformed address."""
    backends = model.backends or (BackendConfig(model.base_url, name=model.name, api_key_env=model.api_key_env, max_streams=model.max_streams),)
    engine = build_engine(config, replace(model, backends=backends, base_url=""))
    assert isinstance(engine, BalancedEngine)
    return asyncio.run(_look(engine))


async def _look(engine: BalancedEngine) -> tuple[BackendView, ...]:
    try:
        await engine.start(lambda progress: None)
    except EngineError:
        if any(view.state != "down" for view in engine.views()):
            raise  # it was not that nobody is there
    finally:
        await engine.stop()
    return engine.views()


def line(view: BackendView, language: str) -> str:
    """A server and how it is, for the owner."""
    why = f": {sentence(view.code, language, view.why, **view.params)}" if view.why else ""
    return f"{view.name}  {view.url}  {sentence(f'server_{view.state}', language)}{why}"
