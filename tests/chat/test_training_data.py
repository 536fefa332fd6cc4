"""Stored conversations as training data, and the command that writes them."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat import keeping, services
from chat.identity import Client
from chat.training_data import records
from tests.chat.test_services import finish


def answer_of(run: services.NewRun) -> Any:
    return run.message


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str, **more: str) -> dict[str, str]:
    return {"role": "assistant", "content": text, **more}


def test_the_open_branch_with_its_system_prompt_and_thinking(client: Client) -> None:
    chat = services.set_system_prompt(device=client.device, content="be brief").conversation
    first = services.send(device=client.device, content="one", conversation=chat)
    finish(first, "uno", thinking="hm")
    again = services.regenerate(device=client.device, message=answer_of(first))
    finish(again, "eins")
    (record,) = records("sft")
    assert record == {"messages": [{"role": "system", "content": "be brief"}, user("one"), assistant("eins")]}


def test_it_ends_before_an_answer_that_is_not_whole_or_was_rated_down(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno", thinking="hm")
    second = services.send(device=client.device, content="two", conversation=first.conversation)
    finish(second, "du", reason="interrupted")
    assert list(records("sft")) == [{"messages": [user("one"), assistant("uno", reasoning_content="hm")]}]
    keeping.rate(device=client.device, message=answer_of(first), rating=-1)
    assert list(records("sft")) == []


def test_only_rated_conversations_when_asked_for(client: Client) -> None:
    for text in ("one", "two"):
        run = services.send(device=client.device, content=text)
        finish(run, "ok")
    assert len(list(records("sft"))) == 2
    keeping.rate(device=client.device, message=answer_of(run), rating=1)
    (record,) = records("sft", rated_only=True)
    assert record["messages"][0] == user("two")


def test_what_was_deleted_is_not_exported(client: Client) -> None:
    run = services.send(device=client.device, content="one")
    finish(run, "ok")
    keeping.delete_conversation(owner=client.device.owner_id, conversation=run.conversation)
    assert list(records("sft")) == []


def test_thumbs_on_answers_to_one_question_make_a_pair(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "bad")
    second = services.regenerate(device=client.device, message=answer_of(first))
    finish(second, "good")
    third = services.regenerate(device=client.device, message=answer_of(first))
    finish(third, "unrated")
    keeping.rate(device=client.device, message=answer_of(second), rating=1)
    assert list(records("dpo")) == []
    keeping.rate(device=client.device, message=answer_of(first), rating=-1)
    assert list(records("dpo")) == [{"chosen": [user("one"), assistant("good")], "rejected": [user("one"), assistant("bad")]}]


def test_names_are_masked_through_the_whole_conversation(client: Client, tmp_path: Path) -> None:
    client.device.name = "Wang's phone"
    client.device.save()
    first = services.send(device=client.device, content="我叫李小龙，电话13812345678，用 Wang's phone，住在绿苑")
    finish(first, "你好，李小龙")
    (plain,) = records("sft")
    assert plain["messages"][1]["content"] == "你好，李小龙"
    call_command("export_training", str(tmp_path / "out.jsonl"), "--mask", "--name", "绿苑", stdout=StringIO())
    (line,) = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {"messages": [user("我叫[NAME]，电话[NUMBER]，用 [NAME]，住在[NAME]"), assistant("你好，[NAME]")]}


def test_the_command_writes_a_private_file_once(client: Client, tmp_path: Path) -> None:
    finish(services.send(device=client.device, content="one"), "uno")
    file, out = tmp_path / "out.jsonl", StringIO()
    call_command("export_training", str(file), stdout=out)
    assert out.getvalue() == f"1 conversations in {file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="File exists"):
        call_command("export_training", str(file))
    with pytest.raises(CommandError, match="give --mask too"):
        call_command("export_training", str(tmp_path / "other"), "--name", "x")


def test_training_reads_what_the_server_writes(client: Client, tmp_path: Path) -> None:
    from micromind import data

    first = services.send(device=client.device, content="one")
    finish(first, "bad", thinking="hm")
    second = services.regenerate(device=client.device, message=answer_of(first))
    finish(second, "good")
    keeping.rate(device=client.device, message=answer_of(first), rating=-1)
    keeping.rate(device=client.device, message=answer_of(second), rating=1)
    for form in ("sft", "dpo"):
        call_command("export_training", str(tmp_path / form), "--form", form, stdout=StringIO())
    (chat,) = (data.chat(record["messages"]) for record in data.read_jsonl(tmp_path / "sft"))
    assert [message["content"] for message in chat.messages] == ["one", "good"]
    (pair,) = (data.preference(record, tmp_path) for record in data.read_jsonl(tmp_path / "dpo"))
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("good", "bad")
