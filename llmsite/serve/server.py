"""uvicorn's server, set up for chatting and ended our way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import uvicorn

from chat.limits import HARD_FRAME_BYTES
from llmsite.serve.exits import Exit

SAVE_S = 1.0
GRACE_S = 1
END_S = 1.9


def settings(application: Any, *, behind_proxy: bool = False) -> uvicorn.Config:
    """How uvicorn is to serve."""
    return uvicorn.Config(
        application,
        lifespan="auto",
        # The sans-IO protocol waits in `send` once a phone has 64 KB unread, so a slow reader slows down its own consumer and nothing else;
        # and it reads the next frame only when the last one was taken.
        ws="websockets-sansio",
        ws_max_size=HARD_FRAME_BYTES,
        # A phone that has gone without a word is noticed in 40 s. It loses nothing: its run goes on, and it resumes.
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        # Frames are ~100 bytes and the network is the room's: deflating each would cost a processor the model needs, and memory a client.
        ws_per_message_deflate=False,
        log_config=None,  # Django's logging, one log file
        access_log=False,
        server_header=False,
        # What X-Forwarded-For says is believed only where a proxy was set up: anybody can write it.
        proxy_headers=behind_proxy,
        timeout_graceful_shutdown=GRACE_S,
    )


class Server(uvicorn.Server):
    """Ends within END_S of the first signal, answers saved first; a second signal ends it at once. The exit code is ours."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_stop = on_stop

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but the signal is not raised again at the end: stopping a server is no failure."""
        originals = {number: signal.signal(number, self.handle_exit) for number in stop_signals()}
        try:
            yield
        finally:
            for number, handler in originals.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            os._exit(Exit.AT_ONCE)
        self.should_exit = True
        # Whatever hangs: the log of every answer is on the disk, and the next start finds the answers that were cut.
        watchdog = threading.Timer(END_S, os._exit, (Exit.OK,))
        watchdog.daemon = True
        watchdog.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Save before saying goodbye: uvicorn would first wait for the sockets, and a phone that sleeps lets it wait."""
        self.on_stop()
        for server in self.servers:
            server.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.lifespan.shutdown(), SAVE_S)
        await super().shutdown(sockets)


def stop_signals() -> list[signal.Signals]:
    """Ctrl-C, a polite kill, a closed terminal. What the parent ignores (nohup) stays ignored, except Ctrl-C: a shell's `&` ignores that, too."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in known if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]
