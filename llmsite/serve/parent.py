"""What a process has from `serve --workers` that started it: the listening sockets, and a pipe that ends with it."""

from __future__ import annotations

import os
import signal
import socket
import threading

SOCKETS = "LLMSITE_SOCKETS"
PIPE = "LLMSITE_PARENT"


def inherited_sockets() -> list[socket.socket]:
    """Those that the parent listens on; none where nobody has passed any."""
    return [socket.socket(fileno=int(number)) for number in os.environ.pop(SOCKETS, "").split(",") if number]


def end_with_parent() -> None:
    """However the parent ends, kill -9 included, this process is asked to end, too."""
    pipe = os.environ.pop(PIPE, "")
    if not pipe:
        return

    def wait() -> None:
        os.read(int(pipe), 1)  # nothing is ever written: it returns when the other end is closed
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
