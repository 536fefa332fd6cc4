"""What one request to a remote model has brought so far: text, usage, the reason of its end."""

from __future__ import annotations

import time
from typing import Any

from inference.errors import BackendDropped, BackendFiltered, DecodingFailed
from inference.openai_errors import Backend, Failure
from inference.openai_text import AnswerText
from inference.types import Delta, EngineFinish, Finish, Timing, Usage

FINISHES: dict[str, EngineFinish] = {"length": "length", "stop": "stop"}


class Answer:
    """What one stream has brought so far."""

    def __init__(self, text: AnswerText, started: float | None = None) -> None:
        """`started`: when the whole answer was asked for (time.perf_counter), where this is not the first request for it."""
        self._text = text
        self._started = time.perf_counter() if started is None else started
        self._first: float | None = None
        self._pieces = 0
        self._usage: dict[str, Any] = {}
        self._reason: str | None = None
        self.done = False
        """`[DONE]` was seen."""

    @property
    def began(self) -> bool:
        """Some text has come, shown or not: the request must not be sent again."""
        return self._first is not None

    @property
    def finished(self) -> bool:
        """The answer is whole; only usage may still come."""
        return self._reason is not None

    def take(self, chunk: dict[str, Any]) -> list[Delta]:
        """The text in one chunk. Usage comes with the last one, or in a chunk of its own without choices, or never."""
        if usage := chunk.get("usage"):
            self._usage = dict(usage)
        deltas: list[Delta] = []
        for choice in (chunk.get("choices") or [])[:1]:
            delta = choice.get("delta") or {}
            # reasoning_content: DeepSeek, SiliconFlow, llama.cpp, transformers serve; reasoning: OpenRouter, vLLM, Ollama
            thinking, content = delta.get("reasoning_content") or delta.get("reasoning") or "", delta.get("content") or choice.get("text") or ""
            if not isinstance(thinking, str) or not isinstance(content, str):
                raise TypeError("expected text in a delta")
            if (thinking or content) and self._first is None:
                self._first = time.perf_counter()
            self._pieces += bool(thinking) + bool(content)
            deltas += self._text.thinking(thinking) + self._text.content(content)
            self._reason = choice.get("finish_reason") or self._reason
        return deltas

    def end(self, backend: Backend) -> list[Delta]:
        """What was held back. Raises Failure when the stream ended and the answer had not."""
        if self._reason == "content_filter":
            raise Failure(BackendFiltered(url=backend.url))
        if self._reason == "insufficient_system_resource":  # DeepSeek's, when it gives up in the middle
            raise Failure(DecodingFailed())
        if not self.finished and not self.done:
            raise Failure(BackendDropped(url=backend.url), again=True)
        return self._text.end()

    def finish(self) -> Finish:
        """Where the server counts no tokens, pieces stand for them (most send one token a piece), and the prompt's count is 0."""
        now = time.perf_counter()
        count = int(self._usage.get("completion_tokens") or self._pieces)
        decode_s = now - self._first if self._first is not None else 0.0
        first_s = self._first - self._started if self._first is not None else None
        speed = count / decode_s if decode_s > 0 and count else None
        usage = Usage(int(self._usage.get("prompt_tokens") or 0), count)
        return Finish(FINISHES.get(self._reason or "stop", "stop"), usage, Timing(first_s, decode_s, speed))
