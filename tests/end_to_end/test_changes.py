"""Who follows the changes misses none, however many write at the same time, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.end_to_end.client import Client
from tests.end_to_end.http import ask
from tests.end_to_end.server import Server

WRITERS = 6
ROUNDS = 5


async def get(server: Server, path: str) -> Any:
    answer = await asyncio.to_thread(ask, server, "GET", f"/api/{path}")
    assert answer.status == 200, answer.text
    return answer.json


async def write(server: Server, number: int) -> None:
    """A phone that chats, renames, pins, deletes and brings back."""
    async with Client(server) as phone:
        for round in range(ROUNDS):
            run = await phone.ask(f"phone {number} says {round}")
            path = f"/api/conversations/{run.conversation}"
            for method, behind, body in (
                ("PATCH", "", {"title": f"{number}.{round}", "pinned": round == 0}),
                ("DELETE", "", None),
                ("POST", "/restore", {}),
            ):
                assert (await asyncio.to_thread(ask, server, method, path + behind, None, body)).status < 300
            if round % 2:
                await asyncio.to_thread(ask, server, "DELETE", path)


async def follow(server: Server, cursor: str, known: dict[str, Any]) -> str:
    page = await get(server, f"changes?cursor={cursor}&limit=3")
    for item in page["items"]:
        known.pop(item["id"], None)
        if not item.pop("deleted"):
            known[item["id"]] = item
    return await follow(server, page["next"], known) if page["more"] else str(page["next"])


async def listed(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = {}
    cursor = ""
    while cursor is not None:
        page = await get(server, f"conversations?limit=200&cursor={cursor}")
        found |= {item["id"]: item for item in page["items"]}
        cursor = page["next"]
    return found


async def test_nothing_is_missed(server: Server) -> None:
    known: dict[str, Any] = {}
    cursor = await follow(server, "", known)
    writers = asyncio.gather(*(write(server, number) for number in range(WRITERS)))
    while not writers.done():
        cursor = await follow(server, cursor, known)
    await writers
    await follow(server, cursor, known)
    assert known == await listed(server)
