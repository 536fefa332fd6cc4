"""What /v1/ says when it refuses: the bodies, codes and statuses that OpenAI's own clients turn into their exceptions."""

from __future__ import annotations

import logging
from typing import Any

from django.http import JsonResponse
from django.utils.translation import get_language

from chat.api.errors import ApiError
from chat.calls import Ended, Interrupted, NotRecorded, Stopping
from chat.limits import Exceeded
from chat.sentences import sentence
from chat.services import Refused
from inference.errors import EngineError

log = logging.getLogger(__name__)

STATUSES = {
    "no_model": (404, "model_not_found", "model"),
    "empty": (400, "invalid_value", None),
    "context_overflow": (400, "context_length_exceeded", None),
    "text_too_long": (400, "context_length_exceeded", "input"),
    "conversation_overflow": (400, "context_length_exceeded", "messages"),
    "unsupported_parameter": (400, "unsupported_parameter", None),
    "out_of_memory": (503, "out_of_memory", None),
    "loading": (503, "model_loading", None),
    "engine_away": (503, "model_loading", None),
    "backend_busy": (503, "backend_busy", None),
    "backend_unreachable": (503, "backend_unreachable", None),
    "backend_timeout": (504, "backend_timeout", None),
}
"""Of an engine's errors: (status, OpenAI's code, which parameter); of all others the status is 500, or 502 where another server failed."""
NAMES = {"thinking": "chat_template_kwargs.enable_thinking"}
"""What /v1/ calls a sampling parameter, where it is not our own name."""
RETRY_S = 5


class Refusal(Exception):
    """A request that is refused. `param` names what was wrong in it; `retry` says whether the same request may work later."""

    def __init__(
        self, status: int, code: str, message: str, *, param: str | None = None, retry: bool = False, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.retry, self.retry_after_s = retry, retry_after_s

    def body(self) -> dict[str, Any]:
        kind = "rate_limit_error" if self.status == 429 else "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JsonResponse:
        response = JsonResponse(self.body(), status=self.status, json_dumps_params={"ensure_ascii": False})
        # The clients try again by themselves after 408, 409, 429 and 5xx, unless they are told that it is of no use.
        response["x-should-retry"] = "true" if self.retry else "false"
        if self.retry_after_s is not None:
            response["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:
            response["WWW-Authenticate"] = "Bearer"
        return response


def language() -> str:
    return get_language() or "en"


def refused(status: int, code: str, name: str, /, *, param: str | None = None, **params: Any) -> Refusal:
    """`name` is that of a sentence in sentences.py; `code` is OpenAI's."""
    return Refusal(status, code, sentence(name, language(), **params), param=param)


def refusal_of(error: Exception) -> Refusal:
    """What a caller is told of an exception. What nobody foresaw is logged."""
    match error:
        case Refusal():
            return error
        case ApiError():
            message = sentence(error.code, language(), **error.params)
            return Refusal(error.status, error.code, message)
        case Exceeded():
            message = sentence(error.code, language(), seconds=error.retry_after_s, limit=error.limit)
            return Refusal(429, "rate_limit_exceeded", message, retry=True, retry_after_s=error.retry_after_s)
        case Refused():
            return refused(409, error.code, error.code, **error.params)
        case EngineError():
            return _of_engine(error)
        case Stopping() | Interrupted():
            return Refusal(503, "server_stopping", sentence("stopping", language()), retry=True, retry_after_s=RETRY_S)
        case Ended():  # whoever still reads has lost the key
            return Refusal(401, "invalid_api_key", sentence("wrong_api_key", language()))
        case NotRecorded():
            return Refusal(503, "storage", sentence("not_recorded", language()), retry=True, retry_after_s=RETRY_S)
    log.error("a call failed", exc_info=error)
    return Refusal(500, "internal", sentence("internal", language()))


def _of_engine(error: EngineError) -> Refusal:
    other = (502 if error.code.startswith("backend_") else 500, error.code, None)
    status, code, param = STATUSES.get(error.code, other)
    params = error.params
    if error.code == "unsupported_parameter":
        param = NAMES.get(params["name"], params["name"])
        params = {"name": param}
    message = sentence(error.code, language(), str(error), **params)
    return Refusal(status, code, message, param=param, retry=error.retryable, retry_after_s=RETRY_S if status == 503 else None)
