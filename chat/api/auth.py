"""Who calls: the same identities as on the socket, and never through a page that is not ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja.security.base import AuthBase

from chat import limits
from chat.api.errors import ApiError
from chat.identity import Caller, Client, caller_of, identify
from chat.models import Owner

SAFE = ("GET", "HEAD", "OPTIONS")


class PairedDevice(AuthBase):
    """`Authorization: Bearer TOKEN` for apps; a browser's cookie, this computer's own browser and --open are taken as well."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __call__(self, request: HttpRequest) -> Client:
        client = client_of(request)
        if client is None:
            raise ApiError(401, "not_paired")
        spend(client, requests=1)
        return client


def spend(client: Client, **costs: float) -> None:
    """Take something of what the device may do in a time (chat/limits.py). Raises ApiError."""
    try:
        limits.shared().take(limits.key_of(client.fair), **costs)
    except limits.Exceeded as exceeded:
        raise ApiError(429, exceeded.code, retry_after_s=exceeded.retry_after_s, seconds=exceeded.retry_after_s) from exceeded


def client_of(request: HttpRequest) -> Client | None:
    """The device behind a request, None when it is nobody's. A page that cors_origins names has only the token that it shows itself:
    neither this computer's rights nor a cookie, which the browser would send along for whoever wrote that page."""
    caller = caller_of(request.scope)  # type: ignore[attr-defined]
    if request.page_origin == "named":  # type: ignore[attr-defined]
        return identify(_with_token_only(caller, request), open_to_all=False)
    return identify(caller, open_to_all=settings.CONFIG.open)


def refuse_foreign_pages(request: HttpRequest) -> None:
    """A page elsewhere may not change anything through a browser that is allowed to. Raises ApiError."""
    if request.method not in SAFE and request.page_origin == "foreign":  # type: ignore[attr-defined]
        raise ApiError(403, "foreign_origin", origin=request.headers["Origin"][:100])


def is_host(client: Client) -> bool:
    """Whether this is the computer's own browser."""
    return client.device.owner.kind == Owner.Kind.HOST and client.device.token_hash is None


def require_host(client: Client) -> None:
    if not is_host(client):
        raise ApiError(403, "host_only")


def _with_token_only(caller: Caller, request: HttpRequest) -> Caller:
    shown = request.headers.get("Authorization", "").lower().startswith("bearer ")
    return replace(caller, token=caller.token if shown else "", proxied=True)


def runtime_of(request: HttpRequest) -> Any:
    """What lives as long as the server process; None in a test without one."""
    return request.scope.get("state", {}).get("runtime")  # type: ignore[attr-defined]
