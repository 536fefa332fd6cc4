from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chat import keeping, services
from chat.models import Feedback
from tests.chat.api import Person, ask, chat, code_and_message, pair


@pytest.fixture
def person(transactional_db: None) -> Person:
    return pair()


@pytest.fixture
def run(person: Person) -> services.NewRun:
    return chat(person)


async def test_one_message(person: Person, run: services.NewRun) -> None:
    message = (await ask("GET", f"messages/{run.message}", token=person.token)).json()
    assert (message["id"], message["role"], message["content"], message["run"]) == (str(run.message), "assistant", "because", str(run.run))
    question = (await ask("GET", f"messages/{run.parent}", token=person.token)).json()
    assert (question["role"], question["run"], question["prompt_tokens"]) == ("user", None, None)


async def test_a_thumb_and_its_comment(person: Person, run: services.NewRun) -> None:
    path = f"messages/{run.message}/feedback"
    for rating in ({"rating": 1, "comment": "谢谢"}, {"rating": -1, "comment": ""}):
        rated = (await ask("PUT", path, token=person.token, json=rating)).json()
        assert rated | rating == rated
    stored = await Feedback.objects.aget(message=run.message)
    assert (stored.rating, stored.device_id) == (-1, person.device.id)
    assert (await ask("DELETE", path, token=person.token)).status_code == 204
    assert not await Feedback.objects.aexists()
    assert (await ask("DELETE", path, token=person.token)).status_code == 204, "twice is once"


@pytest.mark.parametrize("rating", [0, 2, True, "1", None, 1.5])
async def test_a_thumb_is_up_or_down(person: Person, run: services.NewRun, rating: Any) -> None:
    response = await ask("PUT", f"messages/{run.message}/feedback", token=person.token, json={"rating": rating})
    status, code, said = code_and_message(response)
    assert (status, code) == (422, "invalid")
    assert said.startswith("rating: expected ")


async def test_only_answers_are_rated(person: Person, run: services.NewRun) -> None:
    response = await ask("PUT", f"messages/{run.parent}/feedback", token=person.token, json={"rating": 1})
    assert code_and_message(response) == (409, "only_answers_are_rated", "Only answers can be rated.")


async def test_a_comment_has_its_bounds(person: Person, run: services.NewRun) -> None:
    path = f"messages/{run.message}/feedback"
    assert (await ask("PUT", path, token=person.token, json={"rating": 1, "comment": "猫" * 2000})).status_code == 200
    response = await ask("PUT", path, token=person.token, json={"rating": 1, "comment": "猫" * 2001})
    assert response.status_code == 422


async def test_a_deleted_conversations_messages_are_gone(person: Person, run: services.NewRun) -> None:
    await sync_to_async(keeping.delete_conversation)(owner=person.device.owner_id, conversation=run.conversation)
    assert (await ask("GET", f"messages/{run.message}", token=person.token)).status_code == 404
