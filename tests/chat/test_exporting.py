from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from chat import keeping, selectors, services
from chat.exporting import ExportedConversation, as_markdown
from chat.identity import Client
from chat.models import Conversation, Message
from tests.chat.test_services import finish


def exported(client: Client) -> dict[str, Any]:
    """A conversation with two branches, thinking, a system prompt and a rating."""
    first = services.send(device=client.device, content="why **not**?")
    finish(first, "because", thinking="hm")
    keeping.rate(device=client.device, message=first.message, rating=-1, comment="too short")
    again = services.regenerate(device=client.device, message=first.message)
    finish(again, "so")
    services.set_system_prompt(device=client.device, content="Be brief.", conversation=first.conversation)
    found = selectors.exported_conversation(client.owner, first.conversation)
    assert found is not None
    return json.loads(json.dumps(found))


def test_what_was_exported_comes_back_whole(client: Client, stranger: Client) -> None:
    data = exported(client)
    made = keeping.import_conversation(device=stranger.device, data=ExportedConversation.model_validate(data))
    back = selectors.exported_conversation(stranger.owner, made.id)
    assert back is not None
    names = {old["id"]: new["id"] for old, new in zip(data["messages"], back["messages"], strict=True)} | {None: None}
    expected = [row | {"id": names[row["id"]], "parent": names[row["parent"]], "model": "", "finish_reason": ""} for row in data["messages"]]
    assert back["messages"] == expected
    assert back["leaf"] == names[data["leaf"]]
    assert back["title"] == data["title"]
    assert not selectors.exported_conversation(client.owner, made.id)


def test_an_imported_conversation_is_found_and_gone_on_with(client: Client) -> None:
    made = keeping.import_conversation(device=client.device, data=ExportedConversation.model_validate(exported(client)))
    assert [hit["conversation"]["id"] for hit in selectors.search(client.owner, "because").items].count(str(made.id)) == 1
    new = services.send(device=client.device, content="more", conversation=made.id)
    assert [turn.content for turn in selectors.stored_input(new.run).messages] == ["Be brief.", "why **not**?", "so", "more"]


def test_markdown_is_the_open_branch_without_thinking(client: Client) -> None:
    first = services.send(device=client.device, content="why?")
    finish(first, "because", thinking="secret")
    page = selectors.conversation_page(client.owner, first.conversation)
    assert page is not None
    text = as_markdown(page)
    assert text.startswith("# why?\n\n## You\n\n*")
    assert "because" in text
    assert "secret" not in text
    assert "## 你" in as_markdown(page, "zh-hans")


def conversation(**changes: Any) -> dict[str, Any]:
    message = {"id": "a", "parent": None, "role": "user", "content": "hello"}
    return {"format": "llmsite-conversation", "version": 1, "title": "t", "messages": [message]} | changes


@pytest.mark.parametrize(
    "wrong",
    [
        conversation(format="something-else"),
        conversation(version=2),
        conversation(messages=[{"id": "a", "role": "robot", "content": ""}]),
        conversation(messages=[{"id": "a", "role": "user", "content": "x", "parent": "nowhere"}]),
        conversation(messages=[{"id": "a", "role": "user"}, {"id": "a", "role": "user"}]),
        conversation(messages=[{"id": "a", "role": "user", "content": "x" * 100_001}]),
        conversation(messages=[{"id": "a", "role": "user", "content": "nul \0"}]),
        conversation(messages=[{"id": "a", "role": "assistant", "rating": 5}]),
        conversation(options={"temperature": 9}),
        conversation(title="x" * 201),
    ],
)
def test_what_is_not_an_export_is_refused(client: Client, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExportedConversation.model_validate(wrong)
    assert not Conversation.objects.exists()
    assert not Message.objects.exists()
