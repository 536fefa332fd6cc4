"""Conversations over HTTP: lists by cursor, changes, search, files out and in."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async

from chat import services
from chat.api.conversations import file_name
from chat.models import Conversation, Message, Persona
from chat.protocol import MAX_MESSAGE_CHARS
from tests.chat.api import Person, ask, chat, code_and_message, pair


@pytest.fixture
def person(transactional_db: None) -> Person:
    return pair()


@pytest.fixture
def conversation(person: Person) -> str:
    return str(chat(person, "why is the sky blue?", "because of Rayleigh").conversation)


async def pages(person: Person, path: str, **query: Any) -> list[dict[str, Any]]:
    """All entries of a list, two at a time."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await ask("GET", path, token=person.token, params={**query, "limit": 2, "cursor": cursor})).json()
        assert 0 < len(page["items"]) <= 2
        found += page["items"]
        cursor = page["next"]
    return found


async def test_one_with_its_messages(person: Person, conversation: str) -> None:
    page = (await ask("GET", f"conversations/{conversation}", token=person.token)).json()
    assert (page["id"], page["pinned"], page["running"], page["preview"]) == (conversation, False, False, "because of Rayleigh")
    question, answer = page["messages"]
    assert (question["role"], question["content"], question["parent"]) == ("user", "why is the sky blue?", None)
    assert (answer["role"], answer["content"], answer["parent"]) == ("assistant", "because of Rayleigh", question["id"])
    assert (answer["rating"], answer["finish_reason"], answer["completion_tokens"]) == (0, "stop", 1)
    assert page["leaf"] == answer["id"]


async def test_the_list_page_by_page(person: Person) -> None:
    made = [str((await sync_to_async(chat)(person, f"question {n}")).conversation) for n in range(5)]
    await ask("PATCH", f"conversations/{made[1]}", token=person.token, json={"pinned": True})
    assert [row["id"] for row in await pages(person, "conversations")] == [made[1], made[4], made[3], made[2], made[0]]
    assert [row["title"] for row in await pages(person, "conversations", q="question 3")] == ["question 3"]


async def test_one_row_of_the_list(person: Person, conversation: str) -> None:
    await sync_to_async(chat)(person, "another")
    listed = (await ask("GET", f"conversations?id={conversation}", token=person.token)).json()
    assert [row["id"] for row in listed["items"]] == [conversation]
    stranger = await sync_to_async(pair)("stranger")
    theirs = (await ask("GET", f"conversations?id={conversation}", token=stranger.token)).json()
    assert (theirs["items"], theirs["next"]) == ([], None)


async def test_the_messages_page_by_page(person: Person, conversation: str) -> None:
    for n in range(2):
        await sync_to_async(chat)(person, f"and {n}?", f"so {n}", conversation=(await Conversation.objects.aget(id=conversation)).id)
    found = await pages(person, f"conversations/{conversation}/messages")
    assert [row["content"] for row in found] == ["why is the sky blue?", "because of Rayleigh", "and 0?", "so 0", "and 1?", "so 1"]


async def test_search_page_by_page_in_chinese_too(person: Person, conversation: str) -> None:
    for n in range(3):
        await sync_to_async(chat)(person, f"天空为什么是蓝色的 {n}", "散射")
    found = await pages(person, "search", q="蓝色")
    assert found[0]["snippet"] == [
        {"text": "天空为什么是", "hit": False},
        {"text": "蓝色", "hit": True},
        {"text": "的 2", "hit": False},
    ]
    assert len(found) == 3
    english = (await ask("GET", "search?q=rayleigh", token=person.token)).json()["items"]
    assert [row["conversation"]["id"] for row in english] == [conversation]


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "%ff%fe",
        "0",
        "W10",
        "WyJ4IiwieSIsMF0",
        # A time that is in year 0 where clocks show UTC.
        "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5IiwiMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAwIiwwXQ",
    ],
)
@pytest.mark.parametrize("path", ["conversations?", "search?q=sky&", "conversations/{c}/messages?"])
async def test_a_broken_cursor_is_said_to_be(person: Person, conversation: str, path: str, cursor: str) -> None:
    response = await ask("GET", f"{path.format(c=conversation)}cursor={cursor}", token=person.token)
    assert code_and_message(response)[:2] == (400, "bad_cursor")


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", "99999999999999999999999"])
async def test_a_page_has_from_one_to_two_hundred_entries(person: Person, limit: str) -> None:
    status, code, message = code_and_message(await ask("GET", f"conversations?limit={limit}", token=person.token))
    assert (status, code) == (422, "invalid")
    assert message.startswith("limit: expected ")


async def test_what_may_be_changed(person: Person, conversation: str) -> None:
    persona = await Persona.objects.acreate(name="Chef")
    changes = {"title": "  the \n sky ", "pinned": True, "persona": persona.id, "model": "qwen", "options": {"temperature": 0.2, "stop": ["END"]}}
    changed = (await ask("PATCH", f"conversations/{conversation}", token=person.token, json=changes)).json()
    assert changed | changes | {"title": "the sky"} == changed
    undone = {"pinned": False, "persona": None, "options": {}}
    changed = (await ask("PATCH", f"conversations/{conversation}", token=person.token, json=undone)).json()
    assert changed | undone | {"title": "the sky", "model": "qwen"} == changed


@pytest.mark.parametrize(("asked", "kept"), [("Qwen", "qwen"), ("", "")])
async def test_a_model_is_kept_under_its_own_name(person: Person, conversation: str, asked: str, kept: str) -> None:
    changed = await ask("PATCH", f"conversations/{conversation}", token=person.token, json={"model": asked})
    assert changed.json()["model"] == kept


async def test_a_model_that_is_not_there_is_refused_with_those_that_are(person: Person, conversation: str) -> None:
    told = await ask("PATCH", f"conversations/{conversation}", token=person.token, json={"model": "nix", "title": "other"})
    assert code_and_message(told) == (404, "no_model", "There is no model named nix on this computer. There is: fake, qwen.")
    told = await ask("PATCH", f"conversations/{conversation}", token=person.token, json={"model": "nix"}, language="zh-hans")
    assert "没有名为 nix 的模型" in told.json()["message"]
    page = (await ask("GET", f"conversations/{conversation}", token=person.token)).json()
    assert (page["model"], page["title"] != "other") == ("", True)


async def test_a_whole_number_may_be_written_with_a_point(person: Person, conversation: str) -> None:
    sent = b'{"options": {"top_k": 40.0, "seed": 1e3, "temperature": 1.0, "top_p": 0.5}}'
    changed = await ask("PATCH", f"conversations/{conversation}", token=person.token, content=sent, headers={"content-type": "application/json"})
    assert changed.json()["options"] == {"top_k": 40, "seed": 1000, "temperature": 1, "top_p": 0.5}


async def test_a_branch_is_opened_to_its_end(person: Person, conversation: str) -> None:
    first = await Message.objects.aget(conversation=conversation, parent=None)
    await sync_to_async(services.edit)(device=person.device, message=first.id, content="why is it red?")
    changed = await ask("PATCH", f"conversations/{conversation}", token=person.token, json={"leaf": str(first.id)})
    assert changed.status_code == 200
    page = (await ask("GET", f"conversations/{conversation}", token=person.token)).json()
    assert {row["id"]: row["content"] for row in page["messages"]}[page["leaf"]] == "because of Rayleigh"
    assert len(page["messages"]) == 4


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"pinned": "yes"}, 422, "pinned: expected true or false, got “yes”."),
        ({"pinned": None}, 422, "pinned: expected true or false, got “null”."),
        ({"title": ""}, 422, "title: expected at least 1 characters, got “”."),
        ({"title": " \t "}, 422, "A title needs at least one character."),
        ({"title": "x" * 201}, 422, "title: expected at most 200 characters, got “" + "x" * 60 + "…”."),
        ({"persona": 9**30}, 422, f"persona: expected a number of 9223372036854775807 or less, got “{9**30}”."),
        ({"persona": 987654}, 404, "There is no such persona any more."),
        ({"options": {"temperature": 3}}, 422, "options.temperature: expected a number of 2 or less, got “3”."),
        ({"options": {"heat": 3}}, 422, "The field options.heat is not known here."),
        ({"leaf": "x"}, 422, "leaf: expected an id (a UUID), got “x”."),
        ({"leaf": "00000000-0000-4000-8000-000000000000"}, 404, "There is no such message here."),
        ({"owner": "me"}, 422, "The field owner is not known here."),
        (["title"], 422, 'the body: expected an object, got “["title"]”.'),
    ],
)
async def test_what_may_not_be_changed_is_said_in_one_sentence(person: Person, conversation: str, changes: Any, status: int, said: str) -> None:
    response = await ask("PATCH", f"conversations/{conversation}", token=person.token, json=changes)
    assert code_and_message(response)[0::2] == (status, said)
    assert (await Conversation.objects.aget(id=conversation)).title == "why is the sky blue?"


async def test_deleted_it_is_gone_until_it_is_restored(person: Person, conversation: str) -> None:
    deleted = await ask("DELETE", f"conversations/{conversation}", token=person.token)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await ask("GET", f"conversations/{conversation}", token=person.token)).status_code == 404
    assert (await ask("GET", "conversations", token=person.token)).json()["items"] == []
    assert (await ask("GET", "search?q=sky", token=person.token)).json()["items"] == []
    assert await Message.objects.filter(conversation=conversation).acount() == 2, "the record stays"
    restored = await ask("POST", f"conversations/{conversation}/restore", token=person.token)
    assert restored.json()["id"] == conversation
    assert (await ask("GET", f"conversations/{conversation}", token=person.token)).status_code == 200


# --- files ---------------------------------------------------------------------------------------------------------------------


async def test_as_markdown(person: Person, conversation: str) -> None:
    response = await ask("GET", f"conversations/{conversation}/export", token=person.token)
    assert response.headers["content-type"] == "text/markdown; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="why is the sky blue.md"'
    assert response.text.startswith("# why is the sky blue?\n\n## You\n")
    assert "because of Rayleigh" in response.text
    chinese = await ask("GET", f"conversations/{conversation}/export?format=markdown", token=person.token, language="zh-CN")
    assert "## 你\n" in chinese.text


async def test_a_chinese_title_names_the_file(person: Person) -> None:
    conversation = (await sync_to_async(chat)(person, "天空：为什么")).conversation
    response = await ask("GET", f"conversations/{conversation}/export?format=json", token=person.token)
    assert response.headers["content-disposition"] == f"attachment; filename*=utf-8''{quote('天空：为什么')}.json"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc passwd"),
        ('a"; rm -rf / #\r\nX-Header: 1', "a ; rm -rf # X-Header 1"),
        ("\u202egpj.exe", "gpj.exe"),
        ("...", "conversation"),
        ("", "conversation"),
        ("x" * 200, "x" * 60),
    ],
)
def test_no_title_makes_a_dangerous_name(title: str, name: str) -> None:
    assert file_name(title) == name
    assert not set(file_name(title)) & set('/\\:*?"<>|\r\n\u202e')


async def test_out_and_in_again(person: Person, conversation: str) -> None:
    page = (await ask("GET", f"conversations/{conversation}", token=person.token)).json()
    await ask("PUT", f"messages/{page['leaf']}/feedback", token=person.token, json={"rating": 1, "comment": "good"})
    file = (await ask("GET", f"conversations/{conversation}/export?format=json", token=person.token)).json()
    other = await sync_to_async(pair)("other")
    made = await ask("POST", "conversations/import", token=other.token, json=file)
    assert made.status_code == 201
    copy = (await ask("GET", f"conversations/{made.json()['id']}", token=other.token)).json()
    assert copy["title"] == page["title"]
    assert [(row["role"], row["content"], row["rating"], row["comment"]) for row in copy["messages"]] == [
        ("user", "why is the sky blue?", 0, ""),
        ("assistant", "because of Rayleigh", 1, "good"),
    ]
    assert copy["leaf"] == copy["messages"][1]["id"] != page["leaf"]
    assert (await ask("GET", "search?q=rayleigh", token=other.token)).json()["items"]


def file(**changes: Any) -> dict[str, Any]:
    rows = [{"id": "1", "role": "user", "content": "why?"}, {"id": "2", "parent": "1", "role": "assistant", "content": "because"}]
    return {"format": "llmsite-conversation", "version": 1, "messages": rows} | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "chatgpt"}, "format: expected one of 'llmsite-conversation', got “chatgpt”."),
        ({"version": 2}, "version: expected one of 1, got “2”."),
        ({"messages": [{"id": "1", "role": "god"}]}, "messages.0.role: expected one of 'system', 'user' or 'assistant', got “god”."),
        ({"messages": [{"id": "1", "role": "user"}, {"id": "1", "role": "user"}]}, "Two messages have the id 1."),
        ({"messages": [{"id": "1", "parent": "2", "role": "user"}]}, "Message 1 follows 2, which does not come before it."),
        ({"messages": [{"role": "user"}]}, "The field messages.0.id is missing."),
        ({"messages": "none"}, "messages: expected a list, got “none”."),
        ({"options": {"temperature": 9}}, "options.temperature: expected a number of 2 or less, got “9”."),
        ({"created_at": "0001-01-01T00:00:00+23:59"}, "created_at: expected a date with time (ISO 8601), got “0001-01-01T00:00:00+23:59”."),
        ({"created_at": 5}, "created_at: expected a date with time (ISO 8601), got “5”."),
        ({"messages": [{"id": "1", "role": "user", "rating": True}]}, "messages.0.rating: expected a number, got “true”."),
        ({"messages": [{"id": "1", "role": "user", "thinking_s": "1.5"}]}, "messages.0.thinking_s: expected a number, got “1.5”."),
        ({"created_at": "yesterday"}, "created_at: expected a date with time (ISO 8601), got “yesterday”."),
    ],
)
async def test_a_file_that_is_none_of_ours_is_refused_whole(person: Person, changes: Any, said: str) -> None:
    response = await ask("POST", "conversations/import", token=person.token, json=file(**changes))
    assert code_and_message(response) == (422, "invalid", said)
    assert not await Conversation.objects.aexists()


async def test_what_is_wrong_with_a_file_in_chinese(person: Person) -> None:
    rows = [{"id": "1", "parent": "2", "role": "user"}]
    for messages, said in [
        (rows, "消息 1 接在 2 之后，但后者不在它前面。"),
        ([{"id": "a", "role": "user"}] * 2, "有两条消息的 id 同为 a。"),
        ([{"id": "a", "role": "user", "content": "x" * (MAX_MESSAGE_CHARS + 1)}], "messages.0：一条提问最多 100000 个字。"),
        ([{"id": "a", "role": "user", "rating": True}], "messages.0.rating：应为数字，收到的是 “true”。"),
    ]:
        response = await ask("POST", "conversations/import", token=person.token, json=file(messages=messages), language="zh-CN")
        assert code_and_message(response) == (422, "invalid", said)


async def test_a_file_that_is_no_json(person: Person) -> None:
    sent = {"content-type": "application/json"}
    for content in (b"", b"{", b"\xff\xfe", b'"\\ud800"', b"NaN", b"[" * 100_000):
        response = await ask("POST", "conversations/import", token=person.token, content=content, headers=sent)
        assert code_and_message(response)[0] == 400, content[:20]
    assert not await Conversation.objects.aexists()


async def test_a_file_of_more_than_five_megabytes(person: Person) -> None:
    fits = file(title="x")
    fits["ignored"] = "x" * ((5 << 20) - 1000)
    assert (await ask("POST", "conversations/import", token=person.token, json=fits)).status_code == 201
    fits["ignored"] = "x" * (5 << 20)
    response = await ask("POST", "conversations/import", token=person.token, json=fits)
    assert code_and_message(response) == (413, "too_large", "This is too large: at most 5 MB.")


async def test_what_is_imported_is_all_or_nothing(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("chat.keeping.mark_and_tell", full)
    response = await ask("POST", "conversations/import", token=person.token, json=file())
    assert code_and_message(response)[:2] == (500, "internal")
    assert not await Conversation.objects.aexists()
    assert "disk" not in response.text


async def test_somebody_elses_id_is_no_ones(person: Person) -> None:
    assert code_and_message(await ask("GET", f"conversations/{uuid4()}", token=person.token))[:2] == (404, "no_conversation")
