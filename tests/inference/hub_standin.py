"""A stand-in for a model hub: the few addresses that huggingface_hub asks for, over real HTTP on loopback. The client is the real one."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

REVISION = "a" * 40
LARGE = 10_000
"""Bytes from which on a file is a large one, with a SHA-256, as on the hub."""


@dataclass
class HubStandIn:
    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revision: str = REVISION
    status: dict[str, int] = field(default_factory=dict)
    """Statuses to refuse a model's addresses with."""
    gated: set[str] = field(default_factory=set)
    break_after: list[int] = field(default_factory=list)
    """For each coming transfer of a large file: break the connection after so many bytes."""
    slow_bytes_per_s: float | None = None
    ranges: bool = True
    spoil: bool = False
    """Send other bytes than those of the checksum."""
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes of each file that went out."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> HubStandIn:
        hub = self

        class Handler(_Handler):
            standin = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def entry(self, path: str, data: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": blob}
        if len(data) >= LARGE:
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry


class _Handler(BaseHTTPRequestHandler):
    standin: HubStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.standin.requests.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
        try:
            self._route(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_GET

    def _route(self, path: str) -> None:
        hub = self.standin
        name = next((n for n in hub.models if f"/{n}/" in f"{path}/"), None)
        if name is None:
            self._refuse(404, "RepoNotFound")
        elif name in hub.status:
            self._refuse(hub.status[name], "")
        elif path.startswith("/api/models/") and "/tree/" in path:
            entries = [hub.entry(p, data) for p, data in hub.models[name].items()]
            folders = sorted({p.split("/")[0] for p in hub.models[name] if "/" in p})
            self._json([*({"type": "directory", "path": f, "size": 0, "oid": "0" * 40} for f in folders), *entries])
        elif path.startswith("/api/models/"):
            self._json({"id": name, "modelId": name, "sha": hub.revision, "private": False, "gated": name in hub.gated, "siblings": [], "tags": []})
        elif name in hub.gated:
            self._refuse(403, "GatedRepo")
        else:
            self._file(name, path.partition(f"/resolve/{hub.revision}/")[2])

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _file(self, name: str, path: str) -> None:
        hub = self.standin
        data = hub.models[name].get(path)
        if data is None:
            return self._refuse(404, "EntryNotFound")
        asked = self.headers.get("Range", "") if hub.ranges else ""
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        body = bytes(len(data) - start) if hub.spoil else data[start:]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", hub.revision)
        self.end_headers()
        limit = hub.break_after.pop(0) if hub.break_after and len(data) >= LARGE else len(body)
        self._send(path, body[:limit])
        if limit < len(body):
            self.close_connection = True
        return None

    def _send(self, path: str, body: bytes) -> None:
        hub = self.standin
        step = 16_384
        for at in range(0, len(body), step):
            piece = body[at : at + step]
            self.wfile.write(piece)
            hub.sent[path] = hub.sent.get(path, 0) + len(piece)
            if hub.slow_bytes_per_s:
                time.sleep(len(piece) / hub.slow_bytes_per_s)
