from __future__ import annotations

import json
from uuid import uuid4

import pytest

from chat import calls
from chat.cluster import messages
from chat.cluster.messages import EngineAway
from chat.identity import Client
from chat.limits import Exceeded
from chat.models import Device
from chat.protocol import Error
from chat.runs import Rejected
from chat.sentences import CHINESE
from inference.errors import ContextOverflow, EngineError, NoModel
from inference.types import ChatMessage, Sampling


def across(value: object) -> object:
    return json.loads(json.dumps(value))


def test_who_asks_comes_across_by_its_ids() -> None:
    client = Client(Device(id=uuid4(), owner_id=uuid4(), name="secret"), "fair")
    said = across(messages.client_said(client))
    assert "secret" not in json.dumps(said)
    assert messages.client_in(said) == client  # type: ignore[arg-type]
    assert messages.client_in(said).owner == client.owner  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "asked",
    [
        calls.Asked("m", (ChatMessage("user", "你好"), ChatMessage("assistant", "a", "t")), sampling=Sampling(stop=("x", "y"), seed=3), store=True),
        calls.Asked("m", text="once", label="me"),
    ],
)
def test_what_a_call_asks_for_comes_across(asked: calls.Asked) -> None:
    assert messages.asked_in(across(messages.asked_said(asked))) == asked  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        NoModel(name="x", known="y"),
        ContextOverflow(used=3, limit=2),
        EngineAway(),
        calls.Stopping(),
        calls.NotRecorded(),
        calls.Interrupted(),
        calls.Ended(),
    ],
)
def test_errors_come_across_as_they_were_raised(error: Exception) -> None:
    again = messages.error_of(across(messages.error_said(error)))  # type: ignore[arg-type]
    assert type(again) is type(error)
    assert str(again) == str(error)
    if isinstance(error, EngineError):
        assert again.params == error.params  # type: ignore[attr-defined]


def test_refusals_come_across() -> None:
    rejected = messages.error_of(across(messages.error_said(Rejected(Error(code="no_run", message="None.", key="k")))))  # type: ignore[arg-type]
    assert isinstance(rejected, Rejected)
    assert (rejected.error.code, rejected.error.key) == ("no_run", "k")
    exceeded = messages.error_of(across(messages.error_said(Exceeded("too_many_answers", 4.2, 12))))  # type: ignore[arg-type]
    assert isinstance(exceeded, Exceeded)
    assert (exceeded.code, exceeded.retry_after_s, exceeded.limit) == ("too_many_answers", 5, 12)


def test_a_bug_is_told_without_its_words() -> None:
    assert messages.error_said(ValueError("a path, a secret")) is None
    assert isinstance(messages.error_of({"kind": "internal"}), messages.Internal)


def test_its_sentence_is_there_in_chinese() -> None:
    assert EngineAway.code in CHINESE
