"""Search and lists over HTTP, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from tests.end_to_end.client import Client
from tests.end_to_end.server import Server


def get(server: Server, path: str) -> Any:
    with urlopen(f"http://127.0.0.1:{server.port}/api/{path}", timeout=30) as response:
        return json.load(response)


def hits(server: Server, query: str) -> list[str]:
    return ["".join(part["text"] for part in item["snippet"]) for item in get(server, f"search?q={quote(query)}")["items"]]


async def test_chinese_and_english_are_found(server: Server) -> None:
    async with Client(server) as client:
        view = await client.ask("用 PyTorch 学习深度模型")
        assert hits(server, "学习")
        assert hits(server, "度模")
        assert hits(server, "pytorch 深度")
        assert hits(server, "pyto")
        assert not hits(server, "习学")
        answer = next(item for item in get(server, f"search?q={quote('深度模型')}")["items"] if item["role"] == "assistant")
        assert answer["conversation"]["id"] == view.conversation


async def test_signs_of_a_query_language_are_harmless(server: Server) -> None:
    for query in ("'", '"', "&|!", "a:*", "(", "a <-> b", "\\", "学:*", "%00"):
        get(server, f"search?q={quote(query)}")
