"""The body of a request: JSON, of bounded size, and only text that can be stored."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser

from chat.api.errors import ApiError, megabytes
from chat.protocol import unstorable

MAX_BODY_BYTES = 3 << 19
"""The longest text that is taken, MAX_MESSAGE_CHARS, fits however JSON writes it."""


class JsonParser(Parser):
    """Ninja's parser hook. Its refusals reach errors.py as the cause of ninja's own."""

    def parse_body(self, request: HttpRequest) -> Any:
        return parse(request, request.body, MAX_BODY_BYTES)


def parse(request: HttpRequest, body: bytes, limit: int) -> Any:
    """The JSON value of a body of at most `limit` bytes. Raises ApiError."""
    if request.content_type != "application/json":
        # Also keeps out what a form on a page elsewhere can send without being asked (text/plain).
        raise ApiError(415, "not_json", got=request.content_type[:60] or "-")
    if len(body) > limit:
        raise ApiError(413, "too_large", limit=megabytes(limit))
    try:
        value = json.loads(body, parse_float=_number, parse_constant=_no_number)
        refused = unstorable(value)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "bad_json") from error
    if refused:
        raise ApiError(400, "bad_text")
    return value


def _number(text: str) -> float | int:
    """2.0 is a whole number in JSON; some languages write it so."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
