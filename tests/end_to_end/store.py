"""What a server has stored, read past it with plain SQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from tests.end_to_end.server import Server


@dataclass(frozen=True)
class StoredRun:
    status: str
    finish_reason: str
    answer: str
    thinking: str
    question: str
    prompt: str
    model: str
    error: str
    events: int


class Store:
    """The database of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement, with ? for each value, and commit."""
        if url := self.server.database_url:
            with psycopg.connect(url) as connection:
                cursor = connection.execute(sql.replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []
        with closing(sqlite3.connect(self.server.data / "llmsite.sqlite3", timeout=30)) as connection, connection:
            return connection.execute(sql, [value.hex if isinstance(value, UUID) else value for value in values]).fetchall()

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def run(self, run: str) -> StoredRun:
        found = self.rows(
            "SELECT r.status, r.finish_reason, a.content, a.thinking, q.content, r.prompt, r.model, r.error,"
            " (SELECT count(*) FROM chat_runevent e WHERE e.run_id = r.id)"
            " FROM chat_run r JOIN chat_message a ON a.id = r.message_id JOIN chat_message q ON q.id = a.parent_id WHERE r.id = ?",
            UUID(run),
        )
        assert len(found) == 1, f"run {run} is stored {len(found)} times"
        return StoredRun(*found[0])

    def messages(self, key: str) -> int:
        """How many messages were stored with this key."""
        return int(self.rows("SELECT count(*) FROM chat_message WHERE key = ?", key)[0][0])

    def branches(self, message: str) -> list[str]:
        """The contents of the message's siblings and itself, oldest first."""
        found = self.rows(
            "SELECT content FROM chat_message WHERE parent_id = (SELECT parent_id FROM chat_message WHERE id = ?) ORDER BY created_at", UUID(message)
        )
        return [content for (content,) in found]
