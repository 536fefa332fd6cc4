"""Search in Chinese and English, on the database that the tests have; tests/end_to_end/test_search.py asks PostgreSQL, too."""

from __future__ import annotations

import pytest
from django.db import connection

from chat import search, selectors, services
from chat.identity import Client
from chat.models import Conversation, SearchEntry
from tests.chat.test_services import finish


def found(client: Client, query: str) -> list[str]:
    return ["".join(part["text"] for part in hit["snippet"]) for hit in selectors.search(client.owner, query).items]


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("学习", True),
        ("学", True),
        ("习学", False),
        ("机器学习", True),
        ("PyTorch", True),
        ("pytorch 学习", True),
        ("pyt", True),
        ("torch", False),
        ("学习 unrelated", False),
        ("机器,学习!", True),
        ("", False),
        ("!?\"'*", False),
        ('" OR 1=1 --', False),
        ("NEAR(学习)", False),
    ],
)
def test_words_and_phrases(client: Client, query: str, hits: bool) -> None:
    services.send(device=client.device, content="我想用 PyTorch 做机器学习。\n从哪里开始？")
    assert bool(found(client, query)) is hits


@pytest.mark.parametrize("query", ["'", '"', "\\", "(", "a:b", "a&b|c", "学*", "^x", "-x", "{}", "%", "\0", "a\0b", "😀", "ﬁ", "İ"])
def test_signs_that_mean_something_to_a_database_are_harmless(client: Client, query: str) -> None:
    services.send(device=client.device, content="a quiet text")
    found(client, query)


def test_answers_are_found_when_they_are_final_and_no_longer_when_they_change(client: Client) -> None:
    new = services.send(device=client.device, content="question")
    assert not found(client, "zebra")
    finish(new, "a zebra", reason="stopped")
    assert found(client, "zebra") == ["a zebra"]
    more = services.continue_answer(device=client.device, message=new.message)
    finish(more, " and a giraffe")
    assert found(client, "giraffe zebra") == ["a zebra and a giraffe"]


def test_thinking_is_not_found(client: Client) -> None:
    finish(services.send(device=client.device, content="question"), "answer", thinking="a secret plan")
    assert not found(client, "secret")


def test_nobody_finds_anothers_nor_the_deleted(client: Client, stranger: Client) -> None:
    new = services.send(device=client.device, content="mine alone")
    assert not found(stranger, "alone")
    Conversation.objects.filter(id=new.conversation).delete()
    assert not found(client, "alone")
    assert not SearchEntry.objects.exists()


def test_the_index_follows_what_is_deleted(client: Client) -> None:
    new = services.send(device=client.device, content="words to be forgotten")
    Conversation.objects.filter(id=new.conversation).delete()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM chat_searchindex WHERE chat_searchindex MATCH 'forgotten'")
            assert cursor.fetchone() == (0,)
            cursor.execute("INSERT INTO chat_searchindex(chat_searchindex) VALUES ('integrity-check')")


def test_pages_of_hits(client: Client) -> None:
    for number in range(5):
        services.send(device=client.device, content=f"number {number}")
    first = selectors.search(client.owner, "number", limit=2)
    second = selectors.search(client.owner, "number", first.next, limit=2)
    third = selectors.search(client.owner, "number", second.next, limit=2)
    texts = [hit["snippet"][-1]["text"].strip() for page in (first, second, third) for hit in page.items]
    assert texts == ["4", "3", "2", "1", "0"]
    assert third.next is None


def test_a_snippet_shows_the_hit() -> None:
    content = "x" * 300 + " 你好世界 " + "y" * 300
    parts = search.snippet(content, "世界")
    assert [part["text"] for part in parts if part["hit"]] == ["世界"]
    assert parts[0]["text"] == "…"
    assert parts[-1]["text"].endswith("…")
    assert sum(len(part["text"]) for part in parts) <= search.SNIPPET_CHARS + 2
    assert search.snippet("short", "") == [{"text": "short", "hit": False}]
