from typing import Any

from django.apps import AppConfig
from django.core.signals import request_finished


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat import presence  # models are known only now

        request_finished.connect(presence.write)
        request_finished.connect(_close)  # the last one: what is connected before it may still write


def _close(**_: Any) -> None:
    """Under ASGI each request has a thread of its own, and with that a connection, which nobody uses again: left to Python's collector, dozens would
    stay open, and PostgreSQL takes a hundred. The thread that sockets and answers share is no request's, and keeps its own."""
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:  # a test's own transaction around everything
            connection.close()
