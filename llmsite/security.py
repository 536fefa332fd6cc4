"""What every HTTP answer tells the browser not to do: the content policy and the other headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

from llmsite.hosts import host_allowed

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


def refusal_headers(content_type: str = "text/plain; charset=utf-8") -> list[tuple[bytes, bytes]]:
    """The headers of an ASGI answer that Django has no part in."""
    headers = {**HEADERS, "Content-Security-Policy": NOTHING, "Cache-Control": "no-store", "Content-Type": content_type}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
