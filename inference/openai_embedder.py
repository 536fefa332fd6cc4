"""Embeddings by any server that speaks OpenAI's `/embeddings`."""

from __future__ import annotations

import os
from typing import Any

import openai
from openai import AsyncOpenAI

from inference.embedding import Embedded
from inference.errors import BackendGarbled, BackendKeyMissing
from inference.openai_engine import is_private, shown
from inference.openai_errors import Backend


class OpenAIEmbedder:
    """Keeps `inference.embedding.Embedder`. The key is read at `start`, from the environment variable that `api_key_env` names."""

    def __init__(self, *, base_url: str, model: str, api_key_env: str | None = None, timeout_s: float = 120.0) -> None:
        self._base_url, self._timeout_s = base_url, timeout_s
        self._backend = Backend(shown(base_url), model, api_key_env or None, timeout_s)

    async def start(self) -> None:
        backend = self._backend
        key = os.environ.get(backend.key_env, "").strip() if backend.key_env else ""
        if backend.key_env and not key:
            raise BackendKeyMissing(url=backend.url, key_env=backend.key_env)
        self._backend = Backend(backend.url, backend.model, backend.key_env, backend.timeout_s, key)

    async def embed(self, texts: tuple[str, ...]) -> Embedded:
        http = openai.DefaultAsyncHttpxClient(trust_env=not is_private(self._base_url), timeout=self._timeout_s)
        client = AsyncOpenAI(api_key=self._backend.key or "none", base_url=self._base_url, max_retries=1, http_client=http)
        try:
            async with client:
                found = await client.embeddings.create(
                    input=list(texts), model=self._backend.model, encoding_format="float", extra_headers=self._identity()
                )
        except openai.OpenAIError as error:
            # `from None`: the openai package's exceptions hold the request with its headers, the key among them.
            raise self._backend.failure(error, began=False).error from None
        rows = sorted(found.data or (), key=lambda row: row.index)
        if [row.index for row in rows] != list(range(len(texts))):
            raise BackendGarbled(url=self._backend.url)
        return Embedded(tuple(tuple(row.embedding) for row in rows), found.usage.prompt_tokens if found.usage else 0)

    def _identity(self) -> dict[str, Any]:
        """Without what the package reads from the OPENAI_* environment, which is another provider's."""
        omitted = ["OpenAI-Organization", "OpenAI-Project", *([] if self._backend.key else ["Authorization"])]
        return {name: openai.Omit() for name in omitted}

    async def stop(self) -> None:
        """It keeps no connection."""
