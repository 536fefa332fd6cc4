from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from chat import keeping, services
from chat.admin import lists
from chat.identity import Client
from chat.models import Conversation, Message, Run, SearchEntry
from tests.chat.test_services import finish

LIST = "/admin/chat/conversation/"


def found(browser: Browser, query: str = "") -> list[UUID]:
    page = browser.get(f"{LIST}?{query}")
    assert page.status_code == 200
    return [row.id for row in page.context["cl"].result_list]


def said(client: Client, question: str, answer: str, model: str = "micromind", **options: Any) -> services.NewRun:
    new = services.send(device=client.device, content=question)
    services.run_started(run=new.run, model=model)
    finish(new, answer, **options)
    return new


def test_the_list_says_what_each_conversation_is(owner: Browser, client: Client) -> None:
    new = said(client, "How do I connect?", "Scan the code.", reason="length")
    again = services.regenerate(device=client.device, message=new.message)
    services.run_started(run=again.run, model="qwen3")
    keeping.rate(device=client.device, message=new.message, rating=1)
    [row] = owner.get(LIST).context["cl"].result_list
    overview = row.overview
    assert (overview.messages, overview.models, overview.rating) == (3, ["micromind", "qwen3"], 1)
    assert (overview.status, overview.finish_reason) == ("running", "")
    assert overview.devices == ["phone"]


def test_the_list_asks_the_same_number_of_queries_for_one_row_and_for_many(owner: Browser, client: Client) -> None:
    said(client, "one", "uno")
    owner.get(LIST)
    with CaptureQueriesContext(connection) as one:
        owner.get(f"{LIST}?q=o")
    for number in range(12):
        said(client, f"one {number}", "uno")
    with CaptureQueriesContext(connection) as many:
        owner.get(f"{LIST}?q=o")
    assert len(many) == len(one)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("person={owner}", "mine"),
        ("device={device}", "mine"),
        ("model=qwen3", "other"),
        ("reason=length", "other"),
        ("rating=up", "mine"),
        ("rating=down", ""),
        ("rating=any", "mine"),
        ("rating=comment", "mine"),
        ("deleted=yes", "other"),
        ("deleted=no", "mine"),
        ("since={yesterday}", "mine"),
        ("until={yesterday}", "other"),
        ("since={week_ago}&until={yesterday}", "other"),
        ("model=qwen3&rating=up", ""),
    ],
)
def test_each_filter_finds_its_conversation(owner: Browser, client: Client, stranger: Client, query: str, expected: str) -> None:
    mine, other = said(client, "one", "uno"), said(stranger, "two", "due", model="qwen3", reason="length")
    keeping.rate(device=client.device, message=mine.message, rating=1, comment="good")
    day = timedelta(days=1)
    now = timezone.now()
    Conversation.objects.filter(id=other.conversation).update(deleted_at=now, updated_at=now - 3 * day)
    values = {"owner": client.device.owner_id, "device": client.device.id, "yesterday": (now - day).date(), "week_ago": (now - 7 * day).date()}
    by_name = {"mine": [mine.conversation], "other": [other.conversation], "": []}
    assert found(owner, query.format(**values)) == by_name[expected]


@pytest.mark.parametrize("query", ["person=x", "device=1", "since=yesterday", "until=2026-99-01", "rating=7", "deleted=x", "model=gone%00"])
def test_a_filter_that_makes_no_sense_is_no_error(owner: Browser, client: Client, query: str) -> None:
    said(client, "one", "uno")
    assert owner.get(f"{LIST}?{query}").status_code in (200, 302)


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("热点", True),
        ("点", True),
        ("机连", True),
        ("connec", True),
        ("Hotspot connect", True),
        ("热水", False),
        ("nect", False),
        ("???", False),
        ("学", True),
    ],
)
def test_the_search_finds_chinese_and_english(owner: Browser, client: Client, query: str, finds: bool) -> None:
    new = said(client, "打开热点，手机连接电脑", "Hotspot: connect. 学")
    said(client, "something else", "别的")
    assert found(owner, f"q={query}") == ([new.conversation] if finds else [])


def test_a_hit_is_shown_with_its_words_marked_and_leads_to_its_message(owner: Browser, client: Client) -> None:
    new = said(client, "<b>question</b> about a hotspot", "answer")
    page = owner.get(f"{LIST}?q=hotspot").content.decode()
    assert "<mark>hotspot</mark>" in page
    assert "&lt;b&gt;question&lt;/b&gt;" in page
    assert f"{reverse('admin:chat_conversation_change', args=[new.conversation])}?message={new.parent}#m-{new.parent}" in page


def test_titles_are_searched_too(owner: Browser, client: Client) -> None:
    new = said(client, "one", "uno")
    Conversation.objects.filter(id=new.conversation).update(title="数学作业")
    assert found(owner, "q=学作") == [new.conversation]


def test_a_long_list_says_that_there_is_more(owner: Browser, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "COUNT_AT_MOST", 3)
    monkeypatch.setattr(lists.List, "list_per_page", 2)
    ids = [said(client, f"number {n}", "x").conversation for n in range(5)][::-1]
    page = owner.get(LIST)
    assert [row.id for row in page.context["cl"].result_list] == ids[:2]
    assert "3+" in page.content.decode()
    assert found(owner, "p=2") == ids[2:3]
    assert owner.get(f"{LIST}?p=3").status_code == 302


def test_only_a_superuser_removes_a_conversation_and_sees_what_goes_with_it(owner: Browser, answered: services.NewRun) -> None:
    address = reverse("admin:chat_conversation_delete", args=[answered.conversation])
    page = owner.get(address)
    assert dict(page.context["model_count"]) == {"conversations": 1, "messages": 2, "runs": 1, "ratings": 1}
    assert owner.post(address, {"post": "yes"}).status_code == 302
    assert [model.objects.count() for model in (Conversation, Message, Run, SearchEntry)] == [0, 0, 0, 0]


def test_a_conversation_that_is_being_answered_stays(owner: Browser, client: Client) -> None:
    new = services.send(device=client.device, content="one")
    page = owner.post(reverse("admin:chat_conversation_delete", args=[new.conversation]), {"post": "yes"})
    assert page.context["protected"]
    assert Conversation.objects.filter(id=new.conversation).exists()


def test_saving_the_settings_leaves_the_leaf_where_an_answer_has_moved_it(owner: Browser, answered: services.NewRun, client: Client) -> None:
    conversation = Conversation.objects.get(id=answered.conversation)
    later = services.send(device=client.device, content="later", conversation=answered.conversation)
    conversation.options = {"top_k": 3}
    from django.contrib.admin import site

    site._registry[Conversation].save_model(None, conversation, None, change=True)
    assert Conversation.objects.get(id=answered.conversation).leaf_id == later.message
