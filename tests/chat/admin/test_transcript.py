from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import keeping, services
from chat.admin import transcript as module
from chat.admin.transcript import Block, blocks, transcript
from chat.identity import Client
from chat.models import Conversation, Message, Run
from tests.chat.test_services import finish

HOSTILE = '</pre><script>alert(1)</script><img src=x onerror="alert(2)">'


def address(new: services.NewRun, query: str = "") -> str:
    return f"/admin/chat/conversation/{new.conversation}/change/{query}"


def conversation_of(new: services.NewRun) -> Conversation:
    return Conversation.objects.get(id=new.conversation)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\n\ntext", [Block("plain\n\ntext")]),
        ("", []),
        ("a\n```python\nx = 1\n```\nb", [Block("a"), Block("x = 1", True, "python"), Block("b")]),
        ("```\nnever closed\n", [Block("never closed", True)]),
        ("~~~~\n```\n~~~~", [Block("```", True)]),
        ("in `line` and ``` in line", [Block("in `line` and ``` in line")]),
    ],
)
def test_blocks(text: str, expected: list[Block]) -> None:
    assert blocks(text) == expected


def test_the_audit_stands_beside_the_answer(owner: Browser, client: Client) -> None:
    new = services.send(device=client.device, content="question", options={"seed": 7})
    audit = {"model": "micromind", "prompt": "<|user|>question", "template_hash": "ab" * 32, "sampling": {"temperature": 0.7}, "seed": 7}
    services.run_started(run=new.run, **audit)
    finish(new, "answer", thinking="hm", reason="length")
    Run.objects.filter(id=new.run).update(queue_s=0.25, first_token_s=1.5, total_s=3, tokens_per_second=70.5, prompt_tokens=31, context_limit=4096)
    Message.objects.filter(id=new.message).update(thinking_s=2.5)
    keeping.rate(device=client.device, message=new.message, rating=-1, comment="too short")
    page = owner.get(address(new)).content.decode()
    for part in (
        "micromind",
        "cut: longest length",
        "250 ms",
        "1.5 s",
        "70.5",
        "31 + 1 / 4096",
        "temperature 0.7",
        "seed 7",
        "&lt;|user|&gt;question",
    ):
        assert part in page, part
    assert "ab" * 32 in page
    assert "Thought for 2.5 s" in page
    assert "too short" in page


def test_what_people_and_models_write_is_text_only(owner: Browser, client: Client) -> None:
    Conversation.objects.all().delete()
    new = services.send(device=client.device, content=HOSTILE)
    services.run_started(run=new.run, model=HOSTILE, prompt=HOSTILE, sampling={"stop": [HOSTILE]})
    finish(new, HOSTILE, f"\n```{HOSTILE}\n{HOSTILE}\n```", thinking=HOSTILE)
    Run.objects.filter(id=new.run).update(error=HOSTILE, error_code="x")
    keeping.rate(device=client.device, message=new.message, rating=1, comment=HOSTILE)
    client.device.name = HOSTILE[:100]
    client.device.save()
    pages = [address(new), "/admin/chat/conversation/?q=alert", f"/admin/chat/run/{new.run}/change/", "/admin/chat/run/", "/admin/chat/feedback/"]
    pages += ["/admin/chat/device/", "/admin/chat/owner/", "/admin/statistics/", f"/admin/chat/conversation/{new.conversation}/delete/"]
    for page in pages:
        html = owner.get(page).content.decode()
        assert "<script>alert" not in html, page
        assert "<img src=x" not in html, page
        assert "style=" not in html, page


def test_every_branch_can_be_reached(owner: Browser, client: Client) -> None:
    new = services.send(device=client.device, content="one")
    finish(new, "first answer")
    again = services.regenerate(device=client.device, message=new.message)
    finish(again, "second answer")
    edited = services.edit(device=client.device, message=new.parent, content="one, edited")
    finish(edited, "third answer")
    shown = transcript(conversation_of(new))
    assert [entry.message.content for entry in shown.entries] == ["one, edited", "third answer"]
    assert (shown.entries[0].place, shown.entries[0].of, shown.messages, shown.all_messages) == (2, 2, 2, 5)
    assert shown.entries[0].before == f"?message={new.parent}#m-{new.parent}"
    old = transcript(conversation_of(new), message=new.parent)
    assert [entry.message.content for entry in old.entries] == ["one", "second answer"]
    assert old.entries[1].before == f"?message={new.message}#m-{new.message}"
    page = owner.get(address(new, f"?message={new.message}")).content.decode()
    assert "first answer" in page
    assert f"?message={again.message}#m-{again.message}" in page


@pytest.mark.parametrize("query", ["?message=x", "?message=00000000-0000-4000-8000-000000000001", "?page=99", "?page=0", "?page=-1", "?page=²"])
def test_an_address_that_makes_no_sense_shows_the_open_branch(owner: Browser, answered: services.NewRun, query: str) -> None:
    page = owner.get(address(answered, query))
    assert page.status_code == 200
    assert "如何连接手机？" in page.content.decode()


@pytest.fixture
def long(client: Client) -> services.NewRun:
    """500 messages."""
    new = services.send(device=client.device, content="question 0")
    parent, when = Message.objects.get(id=new.message), timezone.now()
    rows = []
    for number in range(1, 250):
        for role in ("user", "assistant"):
            when += timedelta(seconds=1)
            parent = Message(conversation_id=new.conversation, parent=parent, role=role, content=f"{role} {number}", created_at=when)
            rows.append(parent)
    Message.objects.bulk_create(rows)
    Run.objects.bulk_create([Run(message=row, status="done", prompt="p" * 5000) for row in rows if row.role == "assistant"])
    Conversation.objects.filter(id=new.conversation).update(leaf=parent)
    return new


def test_a_long_conversation_comes_in_pages(owner: Browser, long: services.NewRun) -> None:
    first, last = transcript(conversation_of(long)), transcript(conversation_of(long), page=10)
    assert (first.messages, len(first.entries), len(first.pages)) == (500, 50, 10)
    assert [entry.message.content for entry in last.entries][-1] == "assistant 249"
    middle = Message.objects.get(content="user 100")
    with CaptureQueriesContext(connection) as queries:
        found = transcript(conversation_of(long), message=middle.id)
    assert len(queries) <= 4
    assert [entry.message.content for entry in found.entries if entry.marked] == ["user 100"]
    assert [number for number, _, here in found.pages if here] == [5]
    assert owner.get(address(long, f"?message={middle.id}")).status_code == 200


def test_a_long_prompt_is_cut_and_whole_on_the_page_of_its_run(owner: Browser, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROMPT_CHARS", 20)
    new = services.send(device=client.device, content="question")
    services.run_started(run=new.run, prompt="0123456789" * 3)
    finish(new, "answer")
    page = owner.get(address(new)).content.decode()
    assert "01234567890123456789</pre>" in page
    assert "The first 20 of 30 characters." in page
    assert "0123456789" * 3 in owner.get(f"/admin/chat/run/{new.run}/change/").content.decode()
