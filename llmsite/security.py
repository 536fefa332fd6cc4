"""What every HTTP answer tells the browser not to do: the content policy, the other headers, and how large a request may be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

from llmsite.hosts import host_allowed

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = HttpResponseBase | Awaitable[HttpResponseBase]

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The policy of an answer that shows nothing."""

UNUSED = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi", "payment", "usb")
HEADERS = {
    # No page elsewhere may embed what is ours, not even as an image: it would see whether it is there, and how large.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class ContentPolicy(CSPMiddleware):  # type: ignore[misc]
    """django-csp, with the socket named: older Safari does not count ws:// on the same host as 'self'."""

    def get_policy_parts(self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False) -> PolicyParts:
        parts: PolicyParts = super().get_policy_parts(request, response, report_only)
        host = request.META.get("HTTP_HOST")
        if host and host_allowed(host) and not report_only:
            parts.update = {**(parts.update or {}), "connect-src": [*_list((parts.update or {}).get("connect-src")), f"ws://{host}", f"wss://{host}"]}
        return parts


def _list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


class Headers:
    """Middleware: HEADERS on every answer, and nothing stays in a cache that did not say how long it may."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        if iscoroutinefunction(self):
            return self._later(request)
        return _add(self.get_response(request))  # type: ignore[arg-type]

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        return _add(await self.get_response(request))  # type: ignore[misc]


def _add(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def refusal_headers() -> list[tuple[bytes, bytes]]:
    """The headers of an ASGI answer in plain text that Django has no part in."""
    headers = {**HEADERS, "Content-Security-Policy": NOTHING, "Cache-Control": "no-store", "Content-Type": "text/plain; charset=utf-8"}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class _TooLarge(Exception):
    pass


class BodyLimit:
    """ASGI: 413 to a request whose body is larger than it may be.

    Django takes in a whole body, onto the disk if need be, before it asks whether it is wanted; a body without an end would fill the disk.
    `limit_of` gives the most bytes for a path.
    """

    def __init__(self, application: Application, limit_of: Callable[[str], int]) -> None:
        self.application, self.limit_of = application, limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self.limit_of(scope["path"])
        if _announced(scope) > limit:
            await _refuse(send, limit)
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
                await _refuse(send, limit)


def _announced(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


async def _refuse(send: Send, limit: int) -> None:
    sentence = f"The request is larger than {limit >> 10} KiB.\n"
    headers = [*refusal_headers(), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})
