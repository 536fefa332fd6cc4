"""The contract of a model that turns texts into vectors. Two keep it: transformers_embedder and openai_embedder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector for each text, in their order, and how many tokens they were together (0 where a remote server does not count)."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int


class Embedder(Protocol):
    """Belongs to no event loop, and is made without loading anything."""

    async def start(self) -> None:
        """Load the model, or look whether its server is there. Raises EngineError."""
        ...

    async def embed(self, texts: tuple[str, ...]) -> Embedded:
        """Cancelling it ends the work within one batch. Raises EngineError; TextTooLong rather than leaving the end of a text out."""
        ...

    async def stop(self) -> None:
        """Free the model. Idempotent."""
        ...
