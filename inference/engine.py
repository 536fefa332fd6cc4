"""The contract of an engine. Three keep it: transformers_engine, openai_engine, and fake (for tests)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from inference.types import Delta, EngineInfo, Finish, GenerationRequest, ProgressCallback, Prompt


class Engine(Protocol):
    """A model that is loaded once and answers many conversations.

    An engine belongs to no event loop: `start` may run on one loop (a thread of its own) and `stream` on another.
    """

    @property
    def info(self) -> EngineInfo:
        """What is running. Raises NotReady before `start` has returned."""
        ...

    async def start(self, progress: ProgressCallback) -> None:
        """Load the model. Returns when it can answer; raises EngineError with the sentence to show when it cannot."""
        ...

    async def prepare(self, request: GenerationRequest) -> Prompt:
        """Render the conversation as the model will get it, within its context window.

        Keeps the system prompt and the newest turns and drops the oldest whole turns, saying how many. Does not decode.
        Raises EmptyPrompt when the newest user message is blank, ContextOverflow when it cannot fit even alone,
        UnsupportedParameter when the sampling names a parameter that is not in `info.parameters`.
        Of a request with `text` nothing can be dropped: it fits, or ContextOverflow.
        """
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Delta | Finish, None]:
        """Decode. Yields Deltas (thinking first, then answer) and, last, one Finish.

        Closing the generator or cancelling the task that iterates it stops decoding within one step. A failure raises an
        EngineError; other streams go on.
        """
        ...

    async def check(self) -> None:
        """Return if the model can answer now; raise the EngineError that says why not."""
        ...

    async def stop(self) -> None:
        """Stop decoding, free the model, end the threads. Idempotent."""
        ...
