"""The phone client's files come from a server of every kind."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.end_to_end.phones import STRANGER
from tests.end_to_end.server import LIMIT_S, Kind, Server

pytestmark = pytest.mark.process

SCRIPT = "export const answer = 42;\n" * 1000


@pytest.mark.parametrize("kind", ["serve", "uvicorn", "daphne", "runserver"])
def test_a_server_of_every_kind_serves_it(fresh: Callable[..., Server], tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>client</title>", encoding="utf-8")
    script = tmp_path / "assets" / "index-Cj8duFq3.js"
    script.write_text(SCRIPT, encoding="utf-8")
    script.with_name(f"{script.name}.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    server = fresh(kind, LLMSITE_PHONE_CLIENT=str(tmp_path)).start()

    status, headers, _ = get(server, "/m")
    assert (status, headers["Location"]) == (302, "/m/")
    status, headers, page = get(server, "/m/")
    assert (status, b"client" in page) == (200, True)
    status, _, page = get(server, "/m/", **{"If-None-Match": headers["ETag"]})
    assert (status, page) == (304, b"")
    status, headers, sent = get(server, "/m/assets/index-Cj8duFq3.js", **{"Accept-Encoding": "gzip"})
    assert "immutable" in headers["Cache-Control"]
    assert gzip.decompress(sent).decode() == SCRIPT


def get(server: Server, path: str, **headers: str) -> tuple[int, Message, bytes]:
    """As a phone that nobody has paired."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)
    try:
        connection.request("GET", path, headers=STRANGER | headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
