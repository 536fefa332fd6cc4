from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from chat import keeping, services
from chat.admin import export
from chat.exporting import ExportedConversation
from chat.identity import Client
from chat.models import Conversation, Persona, Run
from tests.chat.test_services import finish

LIST = "/admin/chat/conversation/"


def chosen(browser: Browser, *conversations: Any, **more: str) -> StreamingHttpResponse:
    response = browser.post(LIST, {"action": "export", "_selected_action": [str(id_) for id_ in conversations], **more})
    assert isinstance(response, StreamingHttpResponse)
    return response


def read(response: StreamingHttpResponse) -> list[dict[str, Any]]:
    async def whole() -> str:
        return "".join([chunk.decode() async for chunk in response.streaming_content])  # type: ignore[union-attr]

    return [json.loads(line) for line in asyncio.run(whole()).splitlines()]


def test_a_line_holds_the_whole_record(owner: Browser, client: Client) -> None:
    new = services.send(device=client.device, content="问题\u2028一", options={"top_k": 3})
    services.run_started(run=new.run, model="micromind", prompt="<|user|>问题", template_hash="h", sampling={"top_k": 3}, seed=9)
    finish(new, "answer", thinking="hm")
    again = services.regenerate(device=client.device, message=new.message)
    finish(again, "other", reason="stopped")
    keeping.rate(device=client.device, message=new.message, rating=-1, comment="why")
    Conversation.objects.filter(id=new.conversation).update(persona=Persona.objects.create(name="cat"), options={"temperature": 0.5})
    response = chosen(owner, new.conversation)
    assert response["Content-Type"] == "application/jsonl; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="llmsite-conversations-')
    [line] = read(response)
    assert (line["id"], line["persona"], line["options"]) == (str(new.conversation), "cat", {"temperature": 0.5})
    assert line["person"]["name"] == client.device.owner.name
    question, answer, other = line["messages"]
    assert (question["content"], question["device"]["name"]) == ("问题\u2028一", "phone")
    assert (answer["parent"], other["parent"]) == (question["id"], question["id"])
    assert (answer["thinking"], answer["rating"], answer["comment"]) == ("hm", -1, "why")
    [run] = answer["runs"]
    expected = {"model": "micromind", "prompt": "<|user|>问题", "sampling": {"top_k": 3}, "options": {"top_k": 3}, "seed": 9, "finish_reason": "stop"}
    assert {key: run[key] for key in expected} == expected
    assert other["finish_reason"] == "stopped"
    every = {field.name for field in Run._meta.get_fields() if field.concrete}
    assert set(run) == every - {"message", "key", "frames"}


def test_a_line_can_be_imported_in_the_chat(owner: Browser, client: Client, answered: services.NewRun) -> None:
    [line] = read(chosen(owner, answered.conversation))
    parsed = ExportedConversation.model_validate(line)
    assert [message.content for message in parsed.messages] == ["如何连接手机？", "扫码。"]


def test_a_selection_is_all_of_the_filter_when_that_is_asked_for(owner: Browser, client: Client) -> None:
    ids = [services.send(device=client.device, content=f"number {n}").conversation for n in range(3)]
    assert [line["id"] for line in read(chosen(owner, ids[1]))] == [str(ids[1])]
    assert [line["id"] for line in read(chosen(owner, ids[1], select_across="1"))] == [str(id_) for id_ in ids]


def test_memory_holds_a_batch_at_a_time(owner: Browser, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BATCH", 2)
    ids = [services.send(device=client.device, content=f"number {n}").conversation for n in range(5)]
    sizes: list[int] = []
    monkeypatch.setattr(export, "_batch", lambda some: sizes.append(len(some)) or "{}\n")
    assert len(read(chosen(owner, *ids))) == 3
    assert sizes == [2, 2, 1]


def test_a_batch_asks_a_fixed_number_of_queries(client: Client) -> None:
    ids = [services.send(device=client.device, content=f"number {n}").conversation for n in range(6)]
    with CaptureQueriesContext(connection) as queries:
        assert len(list(export.lines(ids))) == 6
    assert len(queries) == 4


def test_one_conversation_by_its_own_button(owner: Browser, guest: Browser, client: Client, answered: services.NewRun) -> None:
    address = f"{LIST}{answered.conversation}/export/"
    for browser in (owner, guest):
        [line] = read(browser.get(address))
        assert line["id"] == str(answered.conversation)
    assert Browser(HTTP_HOST="localhost").get(address).status_code == 302
