"""The WebSocket addresses."""

from __future__ import annotations

from django.urls import URLPattern, path

from chat.consumers import ChatConsumer
from chat.runs import RunManager


def websocket_urls(runs: RunManager, *, open_to_all: bool) -> list[URLPattern]:
    return [path("ws/chat/", ChatConsumer.as_asgi(runs=runs, open_to_all=open_to_all))]  # type: ignore[arg-type]
