# ruff: noqa: E402 - Django must be set up before anything imports its models
"""The ASGI application, for `serve`, uvicorn, daphne and runserver alike. Builds the engine once and hands it down."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsite.settings")

import django

django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from chat.routing import websocket_urls
from llmsite.database_use import InUse
from llmsite.hosts import OriginCheck
from llmsite.intake import BodyLimit
from llmsite.runtime import Runtime
from llmsite.secret import make_only_private_files
from llmsite.security import refusal_headers

# Static files are read in a thread, piece by piece; that is what the warning is about, and all right for files of a few kilobytes.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

make_only_private_files()


def _runtime() -> Any:
    """A web process loads no model: it asks the engine process."""
    if settings.CONFIG.role == "web":
        from llmsite.web_runtime import WebRuntime

        return WebRuntime(settings.CONFIG)
    return Runtime(settings.CONFIG)


runtime = _runtime()


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """uvicorn tells when it starts and ends; daphne does not, and needs not."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            runtime.start_up()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await runtime.shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _refuse(scope: Scope, send: Send, sentence: str) -> None:
    """503 to everybody: the data folder is locked, or the database cannot be used."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})
        return
    headers = [*refusal_headers(), (b"retry-after", b"10")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})


_sockets = websocket_urls(runtime.runs, open_to_all=settings.CONFIG.open)
_router = ProtocolTypeRouter(
    {
        "http": BodyLimit(get_asgi_application(), import_bytes=settings.CONFIG.limits.body_mb << 20),
        # No sessions and no accounts here: the consumer finds out itself whose the socket is, and each frame would pass through their layers.
        "websocket": OriginCheck(URLRouter(_sockets), open_to_all=settings.CONFIG.open),
        "lifespan": lifespan,
    }
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Nobody is served before the database is up to date and the last crash is cleared up."""
    if scope["type"] != "lifespan":
        try:
            await runtime.stored()
        except InUse as error:
            log.error("nobody is served: %s", error)  # process and computer are for the owner
            await _refuse(scope, send, "The server could not start: another server uses its database. The log says which.\n")
            return
        except Exception as error:
            await _refuse(scope, send, f"The server could not start: {error}\n")
            return
    scope.setdefault("state", {})["runtime"] = runtime
    try:
        await _router(scope, receive, send)
    except asyncio.CancelledError:
        if not runtime.stopped:
            raise
        # The server ends and waits for nobody: uvicorn would log what it has cut itself as a fault of ours.


runtime.begin()
