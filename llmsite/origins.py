"""Middleware: whose page a request comes from, for those who answer it (chat/api/auth.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from llmsite.hosts import origin_allowed

Answer = HttpResponseBase | Awaitable[HttpResponseBase]
PageOrigin = Literal["own", "named", "foreign"]


class OriginMark:
    """Sets `request.page_origin`. "own": our page, or no page at all, as apps and programs have none; "named": a page that cors_origins names."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        request.page_origin = page_origin(request.META.get("HTTP_ORIGIN"), request.META.get("HTTP_HOST"))  # type: ignore[attr-defined]
        return self.get_response(request)


def page_origin(origin: str | None, host: str | None) -> PageOrigin:
    # Stricter than for sockets: with --open, too, a page must be ours. An opaque origin ("null") may be any page's.
    if origin_allowed(origin, host, open=False):
        return "own"
    return "named" if origin in settings.CONFIG.cors_origins else "foreign"
