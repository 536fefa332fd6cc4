"""What the API says when it refuses: {code, message, …}, the message one sentence in the request's language."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import get_language
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from chat.api.invalid import sentence_of
from chat.cursors import BadCursor
from chat.sentences import sentence
from chat.services import Refused

log = logging.getLogger(__name__)

STATUSES = {
    **dict.fromkeys(("no_run", "no_conversation", "no_message", "no_persona", "no_device"), 404),
    **dict.fromkeys(("no_title", "no_name"), 422),
    "not_paired": 401,
    "not_your_message": 403,
    "too_fast": 429,
    "storage": 503,
    "stopping": 503,
}
"""Of the refusals of services.py; all others are 409: the request is sound, but what is stored forbids it."""


class ApiError(Exception):
    """A request that is refused with `status`. `code` names the sentence."""

    def __init__(self, status: int, code: str, *, retry_after_s: int | None = None, **params: Any) -> None:
        super().__init__(code)
        self.status, self.code, self.retry_after_s, self.params = status, code, retry_after_s, params


def language() -> str:
    return get_language() or "en"


def refusal(status: int, code: str, *, message: str = "", retry_after_s: int | None = None, **params: Any) -> JsonResponse:
    body: dict[str, Any] = {"code": code, "message": message or sentence(code, language(), **params)}
    if retry_after_s is not None:
        body["retry_after_s"] = retry_after_s
    response = JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False})
    if retry_after_s is not None:
        response["Retry-After"] = str(retry_after_s)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def megabytes(size: int) -> str:
    return f"{size / 1024**2:.1f}".removesuffix(".0") + " MB"


def install(api: NinjaAPI) -> None:
    """Let `api` answer every exception with such a body."""
    for kind, handler in HANDLERS.items():
        api.add_exception_handler(kind, handler)


def _api_error(request: HttpRequest, error: ApiError) -> HttpResponse:
    return refusal(error.status, error.code, retry_after_s=error.retry_after_s, **error.params)


def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    status = STATUSES.get(error.code, 409)
    return refusal(status, error.code, **error.params)


def _bad_cursor(request: HttpRequest, error: BadCursor) -> HttpResponse:
    return refusal(400, "bad_cursor")


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return refusal(422, "invalid", message=sentence_of(error.errors[0], language()))


def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return refusal(413, "too_large", limit=megabytes(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja wraps whatever its body parser raised; ours raises ApiErrors."""
    if isinstance(error.__cause__, ApiError):
        return _api_error(request, error.__cause__)
    return refusal(error.status_code, "bad_request")


def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return refusal(404, "not_found")


def _unforeseen(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return refusal(500, "internal")


HANDLERS: dict[type[Exception], Any] = {
    ApiError: _api_error,
    Refused: _refused,
    BadCursor: _bad_cursor,
    ValidationError: _invalid,
    RequestDataTooBig: _too_large,
    HttpError: _http_error,
    Http404: _not_found,
    Exception: _unforeseen,
}
