"""What goes over a page's sockets, as the browser itself saw it."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Page, WebSocket


class Wire:
    """Listens to every socket that a page opens from now on."""

    def __init__(self, page: Page) -> None:
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.sockets = 0
        self.streamed_by: list[int] = []
        """Which socket brought each frame of an answer, counted from 1."""
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        self.sockets += 1
        socket.on("framesent", lambda text: self.sent.append(json.loads(text)))
        number = self.sockets
        socket.on("framereceived", lambda text: self._came(number, json.loads(text)))

    def _came(self, socket: int, frame: dict[str, Any]) -> None:
        self.received.append(frame)
        if frame["type"] == "stream":
            self.streamed_by.append(socket)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The frames of this type that were sent, in order."""
        return [frame for frame in self.sent if frame.get("type") == kind]

    def message_keys(self) -> list[str]:
        """The keys of the messages that were sent, each once, in the order of the first time."""
        return list(dict.fromkeys(frame["key"] for frame in self.of("message")))
