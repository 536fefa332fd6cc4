"""What a remote model server's failures mean, as sentences for people, and whether asking again can help.

Statuses as their makers document them: OpenAI (platform.openai.com/docs/guides/error-codes), DeepSeek (402 no balance, 503 overloaded),
SiliconFlow (400 for an unknown model), vLLM (400 with the lengths for a prompt that is too long), llama.cpp (exceed_context_size_error).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from inference.errors import (
    BackendBusy,
    BackendDropped,
    BackendFailed,
    BackendGarbled,
    BackendKeyNeeded,
    BackendModelUnknown,
    BackendNoCredit,
    BackendRefused,
    BackendRefusedKey,
    BackendTimeout,
    BackendUnreachable,
    ContextOverflow,
    DecodingFailed,
    EngineError,
)

REASON_LENGTH = 300
"""Characters of a server's own words that are passed on."""

UNKNOWN_MODEL = re.compile(
    r"model.{0,200}?(not exist|not found|unknown|does not support chat|not a valid)|unknown model|invalid model|pinned to", re.I | re.S
)
TOO_LONG = re.compile(r"context (length|size|window)|exceed_context_size|context_length_exceeded|prompt is too long", re.I)


class Failure(Exception):
    """An error to show, and whether the same request may be sent again (`after` seconds, where the server named a wait)."""

    def __init__(self, error: EngineError, *, again: bool = False, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again
        self.after = after


@dataclass(frozen=True)
class Backend:
    """Who is being talked to, as far as sentences name it. The key is here to be struck out of what the server says."""

    url: str
    model: str
    key_env: str | None
    timeout_s: float
    key: str = field(default="", repr=False)

    def failure(self, error: Exception, *, began: bool) -> Failure:
        """What an exception of the openai package or of its HTTP client means. `began`: some of the answer has come already."""
        if isinstance(error, openai.APIStatusError):
            return self.status(error.status_code, error.body, error.response.headers)
        if began:
            return Failure(BackendDropped(url=self.url))
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
        if isinstance(cause, httpx2.ConnectTimeout | httpx2.ConnectError | httpx2.ProxyError | httpx2.UnsupportedProtocol):
            return Failure(BackendUnreachable(url=self.url), again=isinstance(cause, httpx2.ConnectError))
        if isinstance(cause, httpx2.TimeoutException) or isinstance(error, openai.APITimeoutError):
            # Not again: the server may still be computing, and a second request would only make it slower.
            return Failure(BackendTimeout(url=self.url, seconds=f"{self.timeout_s:g}"))
        if isinstance(cause, httpx2.TransportError):
            return Failure(BackendDropped(url=self.url), again=True)
        return Failure(BackendGarbled(url=self.url))

    def status(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> Failure:
        """What an HTTP status with this body means."""
        words = self._words(body)
        if status == 402 or (status == 429 and "insufficient_quota" in str(body)):
            return Failure(BackendNoCredit(url=self.url))
        if status in (401, 403):
            return Failure(BackendRefusedKey(url=self.url, key_env=self.key_env) if self.key_env else BackendKeyNeeded(url=self.url))
        if status == 429:
            return Failure(BackendBusy(url=self.url), again=True, after=retry_after(headers or {}))
        if status >= 500 or status in (408, 409, 425):
            return Failure(BackendFailed(url=self.url, status=status), again=True, after=retry_after(headers or {}))
        if TOO_LONG.search(str(body)) and (lengths := _lengths(body)):
            return Failure(ContextOverflow(used=lengths[1], limit=lengths[0]))
        if UNKNOWN_MODEL.search(words) or UNKNOWN_MODEL.search(str(body)):
            return Failure(BackendModelUnknown(url=self.url, model=self.model))
        if status in (404, 405):
            words = "there is no chat at this address. A base_url usually ends in /v1."
        return Failure(BackendRefused(url=self.url, reason=words or f"status {status}"))

    def event(self, error: object, *, began: bool) -> Failure:
        """What an `error` inside the stream means (the status was 200 by then)."""
        code = error.get("code") if isinstance(error, Mapping) else None
        if not began and isinstance(code, int) and 400 <= code < 600:
            return self.status(code, error)
        return Failure(DecodingFailed())

    def _words(self, body: object) -> str:
        """The server's own sentence, short, on one line, without the key; '' where it has none."""
        words = " ".join(_message(body).split())
        if self.key:
            words = words.replace(self.key, "…")
        return "" if words.startswith("<") else words[:REASON_LENGTH]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (RFC 9110, section 10.2.3: seconds or a date; `retry-after-ms` is OpenAI's), or None."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        text = headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return float(text)
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except ValueError:
        return None


def _message(body: Any) -> str:
    """The sentence in the error bodies that are about: OpenAI's, FastAPI's, SiliconFlow's, Ollama's, plain text."""
    if isinstance(body, Mapping):
        for name in ("message", "detail", "error", "msg"):
            if found := _message(body.get(name)):
                return found
        return ""
    if isinstance(body, list):
        return "; ".join(filter(None, map(_message, body)))
    return body if isinstance(body, str) else ""


def _lengths(body: Any) -> tuple[int, int] | None:
    """(limit, used) in tokens, from a refusal of a prompt that is too long; None where it does not tell both."""
    if isinstance(body, Mapping) and isinstance(body.get("n_ctx"), int) and isinstance(body.get("n_prompt_tokens"), int):
        return body["n_ctx"], body["n_prompt_tokens"]
    numbers = [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]{2,}", _message(body))]
    return (numbers[0], numbers[1]) if len(numbers) >= 2 and numbers[1] > numbers[0] else None
