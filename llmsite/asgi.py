# ruff: noqa: E402 - Django must be set up before anything imports its models
"""The ASGI application, for `serve`, uvicorn, daphne and runserver alike. Builds the engine once and hands it down."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsite.settings")

import django

django.setup()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from chat.routing import websocket_urls
from llmsite.hosts import OriginCheck
from llmsite.runtime import Runtime

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

runtime = Runtime(settings.CONFIG)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """uvicorn tells when it starts and ends; daphne does not, and needs not."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await runtime.shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return


_sockets = websocket_urls(runtime.runs, open_to_all=settings.CONFIG.open)
_router = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": OriginCheck(AuthMiddlewareStack(URLRouter(_sockets)), open_to_all=settings.CONFIG.open),
        "lifespan": lifespan,
    }
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Nobody is served before the database is up to date and the last crash is cleared up."""
    if scope["type"] != "lifespan":
        await runtime.stored()
    scope.setdefault("state", {})["runtime"] = runtime
    await _router(scope, receive, send)


runtime.begin()
