"""A small TCP proxy that cuts, freezes and slows connections: what a phone's network does, without mocking anything."""

from __future__ import annotations

import contextlib
import socket
import threading
import time


class Proxy:
    """Listens on 127.0.0.1 and passes everything on to `port`, until it is told otherwise.

    `cut()` ends every connection and refuses new ones · `freeze()` passes nothing on and closes nothing, as a phone that left the
    network · `hush()` passes on what is sent and none of the answers · `heal()` undoes them all; what was frozen meanwhile is lost with its
    connection.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._down = threading.Event()
        self._sends = threading.Event()
        self._answers = threading.Event()
        self._thaw()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._thaw()
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        self._down.set()
        self._close_all()

    def freeze(self) -> None:
        self._sends.clear()
        self._answers.clear()

    def hush(self) -> None:
        self._answers.clear()

    def heal(self) -> None:
        if not (self._sends.is_set() and self._answers.is_set()):
            self._close_all()
            self._thaw()
        self._down.clear()

    def _thaw(self) -> None:
        self._sends.set()
        self._answers.set()

    def _close_all(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for end in (end for pair in pairs for end in pair):
            _close(end)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the listener is closed
                return
            if self._down.is_set():
                self.refused += 1
                _close(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:  # the server is not there: neither is the connection
                _close(client)
                continue
            server.settimeout(None)
            with self._lock:
                self._pairs.add((client, server))
            for source, sink, flows in ((client, server, self._sends), (server, client, self._answers)):
                threading.Thread(target=self._pass_on, args=(source, sink, flows), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, flows: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                flows.wait()
                sink.sendall(data)
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    """Shut down first: closing alone does not wake a thread that reads from it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def wait_for_port(port: int, timeout_s: float = 30) -> None:
    """Until something accepts connections there."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
