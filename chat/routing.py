"""The WebSocket addresses."""

from __future__ import annotations

from django.urls import URLPattern, path

from chat.consumers import ChatConsumer
from chat.runs import Runs


def websocket_urls(runs: Runs, *, open_to_all: bool) -> list[URLPattern]:
    return [path("ws/chat/", ChatConsumer.as_asgi(runs=runs, open_to_all=open_to_all))]  # type: ignore[arg-type]
