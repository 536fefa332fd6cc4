"""How many HTTP requests are taken from one address, and how large they may be. What one device may do is in chat/limits.py."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language

from chat import limits
from chat.api.body import MAX_BODY_BYTES
from chat.api.errors import megabytes, refusal
from chat.identity import Caller, caller_of, place_of
from chat.limits import Exceeded
from chat.sentences import sentence
from chat.v1.refusals import Refusal
from llmsite.security import refusal_headers

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

IMPORT = "/api/conversations/import"
BODY_BYTES = MAX_BODY_BYTES
"""Of every other request. A form of the admin with a prompt of 100,000 characters fits, too."""
FREE = ("/static/", "/healthz")
"""What costs nothing worth counting: a page asks for many files at once."""
V1 = "/v1/"
"""What speaks OpenAI's protocol; its refusals do, too."""
PAIRING = "/api/pair"
"""The page counts the codes itself, and says so in its own way (chat/pages.py)."""


class RequestLimit:
    """Middleware: 429 to an address that asks for too much; the API counts each device beside it."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(FREE):
            return self.get_response(request)
        pairing = {"pairings": 1.0} if request.method == "POST" and request.path_info == PAIRING else {}
        try:
            limits.shared().take(place_of(_caller(request)), arrivals=1, **pairing)
        except Exceeded as exceeded:
            return refused(request, exceeded.code, exceeded.retry_after_s, limit=exceeded.limit, seconds=exceeded.retry_after_s)
        return self.get_response(request)


def refused(request: HttpRequest, code: str, retry_after_s: int, **params: Any) -> HttpResponse:
    """429: JSON for programs, a page for people."""
    if request.path_info.startswith(V1):
        message = sentence(code, get_language() or "en", **params)
        return Refusal(429, "rate_limit_exceeded", message, retry=True, retry_after_s=retry_after_s).response()
    if request.path_info.startswith("/api/") or request.headers.get("Accept", "").startswith("application/json"):
        return refusal(429, code, retry_after_s=retry_after_s, **params)
    text = sentence(code, get_language() or "en", **params)
    response = render(request, "llmsite/refused.html", {"sentence": text}, status=429)
    response["Retry-After"] = str(retry_after_s)
    return response


def locked_out(request: HttpRequest, original: HttpResponse | None, credentials: Any = None) -> HttpResponse:
    """What django-axes answers while an account is closed for an address."""
    wait_s = settings.AXES_COOLOFF_TIME.total_seconds()
    return refused(request, "too_many_logins", int(wait_s), minutes=math.ceil(wait_s / 60))


def address_for_logins(request: HttpRequest) -> str:
    """Where a wrong password came from, for django-axes, which wants an address. What no proxy of ours vouches for is one place, 0.0.0.0."""
    caller = _caller(request)
    if place_of(caller) == "proxied":
        return "0.0.0.0"  # noqa: S104 - an address to count, none to listen at
    return caller.address.split("%")[0] or "127.0.0.1"  # a Unix socket has none


def _caller(request: HttpRequest) -> Caller:
    """Django's own test client makes requests without an ASGI scope."""
    return caller_of(getattr(request, "scope", {"client": (request.META.get("REMOTE_ADDR", ""), 0)}))


class _TooLarge(Exception):
    pass


class BodyLimit:
    """ASGI: 413 to a request whose body is larger than it may be.

    Django takes in a whole body, onto the disk if need be, before it asks whether it is wanted: one without an end would fill the disk.
    """

    def __init__(self, application: Application, *, import_bytes: int) -> None:
        self.application, self.import_bytes = application, import_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self.import_bytes if scope["path"] == IMPORT else BODY_BYTES
        if _announced(scope) > limit:
            await _too_large(scope, send, limit)
            return
        taken, begun = 0, False

        async def bounded() -> dict[str, Any]:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _TooLarge
            return message

        async def noting(message: dict[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.application(scope, bounded, noting)
        except _TooLarge:
            if not begun:
                await _too_large(scope, send, limit)


def _announced(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


async def _too_large(scope: Scope, send: Send, limit: int) -> None:
    accepted = dict(scope["headers"]).get(b"accept-language", b"en").decode("latin-1")
    message = sentence("too_large", accepted, limit=megabytes(limit))
    body = {"code": "too_large", "message": message}
    if scope["path"].startswith(V1):
        body = Refusal(413, "too_large", message).body()
    headers = [*refusal_headers("application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body, ensure_ascii=False).encode()})
