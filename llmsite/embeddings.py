"""The embedding models of `[embeddings.NAME]`: each is loaded when it is first asked for, and stays."""

from __future__ import annotations

import asyncio
from time import monotonic
from uuid import UUID

from inference.embedding import Embedded, Embedder
from inference.errors import EngineError, NoModel
from llmsite.config import Config, EmbeddingConfig
from llmsite.pool import told


class Embeddings:
    """What /v1/embeddings asks. All of one process, on its event loop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ready: dict[str, Embedder] = {}
        self._loading: dict[str, asyncio.Lock] = {}
        self.live: dict[UUID, float] = {}
        """The calls that are not over, with when they began."""

    def names(self) -> list[str]:
        return list(self._config.embeddings)

    async def embed(self, name: str, texts: tuple[str, ...], call: UUID, caller: str = "") -> Embedded:
        """`caller` is for the limits of several processes (chat/cluster/remote_calls.py). Raises NoModel for what is no embedding model here, and the
        EngineError of loading or computing."""
        model = self._config.embeddings.get(name)
        if model is None:
            raise NoModel(name=name, known=", ".join(self.names()))
        self.live[call] = monotonic()
        try:
            return await (await self._embedder(model)).embed(texts)
        except EngineError as error:
            raise told(error, model) from error
        finally:
            del self.live[call]

    async def stop(self) -> None:
        for embedder in self._ready.values():
            await embedder.stop()

    async def _embedder(self, model: EmbeddingConfig) -> Embedder:
        async with self._loading.setdefault(model.name, asyncio.Lock()):
            if model.name not in self._ready:
                embedder = build_embedder(self._config, model)
                await embedder.start()
                self._ready[model.name] = embedder
            return self._ready[model.name]


def build_embedder(config: Config, model: EmbeddingConfig) -> Embedder:
    """Not started. Raises EngineError when there is no such model."""
    if model.engine == "openai":
        from inference.openai_embedder import OpenAIEmbedder

        return OpenAIEmbedder(base_url=model.base_url, model=model.model, api_key_env=model.api_key_env or None, timeout_s=model.timeout_s)
    from inference.catalog import resolve
    from inference.transformers_embedder import TransformersEmbedder

    return TransformersEmbedder(resolve(model.path, config.models_dir, config.embedded_model), name=model.name, device=model.device)
