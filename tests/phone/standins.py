"""What else may answer at an address: another computer's llmsite, of another version perhaps, or something that is none."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str], tuple[int, str]]


@dataclass
class StandIn:
    port: int
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path, and whatever was shown as a right to it."""


def page(status: int, text: str) -> Answer:
    """Whatever is asked, this is the answer."""
    return lambda path: (status, text)


def llmsite(**more: Any) -> Answer:
    """As /healthz of another computer; everything else is not there."""
    body = {"status": "ready", "computer": "another", "instance": "another", "protocol": 1, "name": "", "model": "other"} | more
    return lambda path: (200, json.dumps(body)) if path.startswith("/healthz") else (404, "{}")


@contextmanager
def standing_in(answer: Answer, host: str = "127.0.0.1", port: int = 0) -> Iterator[StandIn]:
    stand_in = StandIn(0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown = " ".join(self.headers.get(name, "") for name in ("Authorization", "Cookie"))
            stand_in.asked.append((self.command, self.path, shown.strip()))
            status, text = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # whoever asked has gone
                self.wfile.write(text.encode())

        do_POST = do_DELETE = do_GET

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    stand_in.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":  # in a network namespace of its own: HOST PORT; writes what it was asked, a line each
    with standing_in(llmsite(), sys.argv[1], int(sys.argv[2])) as running:
        print("answers", flush=True)
        sys.stdin.read()
        print(json.dumps(running.asked), flush=True)
