"""Full-text search that finds Chinese, which has no spaces: each character is indexed as a word, and a run of characters is searched as a phrase.

SQLite keeps the index in FTS5 and PostgreSQL in a GIN index, over the same segmented text (migration 0003). English words match from their
beginning: `load` finds `loading`. https://www.sqlite.org/fts5.html#external_content_tables
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypedDict

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from chat.models import Message, SearchEntry

CJK = "⺀-⿟〇々぀-ヿ㐀-䶿一-鿿가-힯豈-﫿\U00020000-\U0003ffff"
CHARACTER = re.compile(f"[{CJK}]")
TERM = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+")
MAX_TERMS = 16
SNIPPET_CHARS = 160
LEAD_CHARS = 40


class Part(TypedDict):
    text: str
    hit: bool


def segment(text: str) -> str:
    """`text` with each CJK character standing alone. NUL, which no database takes, is dropped."""
    return CHARACTER.sub(r" \g<0> ", text.replace("\0", " "))


def index(message: Message) -> None:
    """Make a message findable, as it is now. A message without text is in no index."""
    if message.content.strip():
        SearchEntry.objects.bulk_create(entries([message]), update_conflicts=True, unique_fields=["message"], update_fields=["text"])
    else:
        SearchEntry.objects.filter(message=message).delete()


def entries(messages: Iterable[Message]) -> list[SearchEntry]:
    """What `index` stores, for many messages that were not stored before."""
    return [SearchEntry(message=message, text=segment(message.content)) for message in messages if message.content.strip()]


def matching(query: str) -> QuerySet[Message]:
    """The messages that hold every word and every run of Chinese in `query`; none when it holds neither."""
    terms = _terms(query)
    if not terms:
        return Message.objects.none()
    if connection.vendor == "postgresql":
        found = "SELECT id FROM chat_searchentry WHERE to_tsvector('simple', text) @@ to_tsquery('simple', %s)"
        asked = " & ".join(" <-> ".join(term) if CHARACTER.match(term) else f"{term}:*" for term in terms)
    else:
        found = "SELECT rowid FROM chat_searchindex WHERE chat_searchindex MATCH %s"
        asked = " ".join(f'"{" ".join(term)}"' if CHARACTER.match(term) else f'"{term}"*' for term in terms)
    return Message.objects.filter(search__in=RawSQL(found, [asked]))


def snippet(content: str, query: str) -> list[Part]:
    """The part of `content` around the first hit, cut where hits begin and end."""
    terms = _terms(query)
    if not terms:
        return [{"text": content[:SNIPPET_CHARS], "hit": False}]
    hit = re.compile("|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True)), re.IGNORECASE)
    first = hit.search(content)
    begin = max(0, first.start() - LEAD_CHARS) if first else 0
    part = " ".join(content[begin : begin + SNIPPET_CHARS].split())
    parts: list[Part] = [{"text": "…", "hit": False}] if begin else []
    place = 0
    for found in hit.finditer(part):
        parts += [{"text": part[place : found.start()], "hit": False}, {"text": found[0], "hit": True}]
        place = found.end()
    parts.append({"text": part[place:] + ("…" if begin + SNIPPET_CHARS < len(content) else ""), "hit": False})
    return [one for one in parts if one["text"]]


def _terms(query: str) -> list[str]:
    return list(dict.fromkeys(term.lower() for term in TERM.findall(query)))[:MAX_TERMS]


def drop_index(connection: BaseDatabaseWrapper) -> None:
    """Before many entries are written by another way than `index`. SQLite keeps its index by triggers."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX chat_searchindex")


def make_index(connection: BaseDatabaseWrapper) -> None:
    """As migration 0003 made it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("CREATE INDEX chat_searchindex ON chat_searchentry USING gin (to_tsvector('simple', text))")
