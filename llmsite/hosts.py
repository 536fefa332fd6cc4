"""Which names the server may be called by, and which pages may open its WebSocket.

A web page anywhere can make a phone's browser send requests to addresses in the phone's own network, and can point its own
name at such an address (DNS rebinding). Then the browser takes our answers for that page's. The Host header gives it away.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from llmsite import network
from llmsite.serve import mdns

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Answer = HttpResponseBase | Awaitable[HttpResponseBase]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

logger = logging.getLogger(__name__)

REFUSAL = (
    "This server is not called {host}. Open it by the address that it shows in its terminal, or name this host in LLMSITE_HOSTS on the computer.\n"
)
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
FRESH_S = 5.0


class HostCheck:
    """Middleware: answers 400 to a request that calls the server by a name that is not its own."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        header = request.META.get("HTTP_HOST")
        if host_allowed(header):
            return self.get_response(request)
        refusal = HttpResponse(REFUSAL.format(host=header), status=400, content_type="text/plain; charset=utf-8")
        return _at_once(refusal) if iscoroutinefunction(self) else refusal


async def _at_once(response: HttpResponse) -> HttpResponse:
    return response


def host_allowed(header: str | None) -> bool:
    """Whether the server may be called so. No Host at all is fine: every browser sends one, so this is not a browser."""
    if not header:
        return True
    split = _split(header)
    if split is None:
        return False
    name = split[0]
    ip = _ip(name)
    if ip is None:
        return name in _names() or name in _configured()
    # A private number is safe whether or not it is ours: rebinding needs a name. And behind Docker, WSL or a forwarded port the number in
    # the phone's address bar is one that this computer does not have.
    return _is_near(ip) or name in _configured() or str(ip) in _present.addresses()


def origin_allowed(origin: str | None, host_header: str | None, *, open: bool) -> bool:
    """Whether a page from `origin` may open our WebSocket, which it asked for under the name `host_header`.

    No origin: an app or a program, which no web page can imitate. Else the page must be ours; with `open`, pages that the phone
    or this network serves may, too: a client under development, an app's own web view, a page from a file.
    """
    if not host_allowed(host_header):
        return False
    if not origin:
        return True
    if origin == "null" or origin.startswith("file:"):
        return open
    try:
        page = urlsplit(origin)
        page_host, page_port = page.hostname, page.port or DEFAULT_PORTS.get(page.scheme)
    except ValueError:
        return False
    if not page_host:
        return False
    if open and _is_local(page_host):
        return True
    called = _split(host_header or "")
    if called is None:
        return False
    # A Host without a port means the port of the scheme, and behind a proxy only the page knows which one that was.
    return _plain(page_host) == called[0] and page_port == (called[1] or DEFAULT_PORTS.get(page.scheme))


class OriginCheck:
    """ASGI middleware: refuses a WebSocket that a foreign page opens, before anything of the application sees it."""

    def __init__(self, application: Application, *, open_to_all: bool) -> None:
        self.application, self.open_to_all = application, open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if origin_allowed(headers.get(b"origin"), headers.get(b"host"), open=self.open_to_all):
            await self.application(scope, receive, send)
            return
        logger.warning("Refused a WebSocket from the page %s under the name %s", headers.get(b"origin"), headers.get(b"host"))
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": 1008})  # before accepting: the server answers 403


class _Present:
    """This computer's addresses now. Asking the system takes a millisecond: too much for every request, so for FRESH_S the answer is kept."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()
        self._until = 0.0

    def addresses(self) -> frozenset[str]:
        if time.monotonic() >= self._until:
            self._known = frozenset(address.ip for address in network.addresses())
            self._until = time.monotonic() + FRESH_S
        return self._known


_present = _Present()


@cache
def _names() -> frozenset[str]:
    """localhost and this computer's name, alone, as mDNS (Bonjour, Avahi) spreads it, and as we do."""
    name = _plain(socket.gethostname())
    short = name.partition(".")[0]
    return frozenset({"localhost", name, short, f"{short}.local", *mdns.names(name)} - {""})


def _configured() -> frozenset[str]:
    return frozenset(_plain(host) for host in settings.CONFIG.hosts)


def _split(header: str) -> tuple[str, int | None] | None:
    """("name", port) of a Host header, None when it is malformed."""
    try:
        parts = urlsplit(f"//{header}")
        if parts.username is not None or parts.path or parts.query or parts.fragment or not parts.hostname:
            return None
        return _plain(parts.hostname), parts.port
    except ValueError:
        return None


def _plain(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _ip(name: str) -> network.IPAddress | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _is_near(ip: network.IPAddress) -> bool:
    return ip.is_loopback or ip.is_private or ip.is_link_local


def _is_local(host: str) -> bool:
    ip = _ip(_plain(host))
    return _is_near(ip) if ip else _plain(host) in _names()
