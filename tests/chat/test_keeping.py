from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from chat import keeping, selectors, services
from chat.identity import Client
from chat.models import Conversation, Feedback, Message, Persona
from chat.services import Refused
from tests.chat.test_services import finish


@pytest.fixture
def conversation(client: Client) -> UUID:
    new = services.send(device=client.device, content="hello")
    finish(new, "hi")
    return new.conversation


def test_changes_are_stored(client: Client, conversation: UUID) -> None:
    persona = Persona.objects.create(name="Cook")
    keeping.update_conversation(
        owner=client.owner, conversation=conversation, title="  new \n title ", pinned=True, persona=persona.id, model="big", options={"top_k": 5}
    )
    row = selectors.conversation(client.owner, conversation)
    assert row is not None
    assert (row["title"], row["pinned"], row["persona"], row["model"], row["options"]) == ("new title", True, persona.id, "big", {"top_k": 5})
    keeping.update_conversation(owner=client.owner, conversation=conversation, pinned=False, persona=0)
    row = selectors.conversation(client.owner, conversation)
    assert row is not None
    assert (row["pinned"], row["persona"], row["title"]) == (False, None, "new title")


@pytest.mark.parametrize(("changes", "code"), [({"title": " "}, "no_title"), ({"persona": 10**9}, "no_persona"), ({"leaf": uuid4()}, "no_message")])
def test_what_cannot_be_is_refused(client: Client, conversation: UUID, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused, match=code):
        keeping.update_conversation(owner=client.owner, conversation=conversation, **changes)


def test_a_branch_is_opened_down_to_its_end(client: Client) -> None:
    first = services.send(device=client.device, content="one")
    finish(first, "uno")
    below = services.send(device=client.device, content="two", conversation=first.conversation)
    finish(below, "dos")
    services.regenerate(device=client.device, message=first.message)
    keeping.update_conversation(owner=client.owner, conversation=first.conversation, leaf=first.message)
    assert Conversation.objects.get(id=first.conversation).leaf_id == below.message
    on = services.send(device=client.device, content="three", conversation=first.conversation)
    assert [message.content for message in selectors.branch(first.conversation, on.message)] == ["one", "uno", "two", "dos", "three", ""]


def test_a_message_of_another_conversation_is_no_branch(client: Client, conversation: UUID) -> None:
    other = services.send(device=client.device, content="other")
    with pytest.raises(Refused, match="no_message"):
        keeping.update_conversation(owner=client.owner, conversation=conversation, leaf=other.message)


def test_deleting_hides_and_restoring_brings_back(client: Client, conversation: UUID) -> None:
    answer = Message.objects.get(conversation=conversation, role="assistant")
    keeping.delete_conversation(owner=client.owner, conversation=conversation)
    assert selectors.conversation_list(client.owner).items == []
    assert selectors.conversation_page(client.owner, conversation) is None
    assert selectors.message(client.owner, answer.id) is None
    assert selectors.search(client.owner, "hello").items == []
    for call in (services.regenerate, services.continue_answer):
        with pytest.raises(Refused, match="no_message"):
            call(device=client.device, message=answer.id)
    assert Message.objects.filter(conversation=conversation).count() == 2, "the record stays"
    keeping.restore_conversation(owner=client.owner, conversation=conversation)
    assert len(selectors.conversation_list(client.owner).items) == 1


def test_what_is_said_in_a_deleted_one_brings_it_back(client: Client, conversation: UUID) -> None:
    keeping.delete_conversation(owner=client.owner, conversation=conversation)
    services.send(device=client.device, content="again", conversation=conversation)
    assert selectors.conversation_page(client.owner, conversation) is not None


def test_ratings_of_answers(client: Client, conversation: UUID) -> None:
    question, answer = Message.objects.filter(conversation=conversation).order_by("created_at")
    keeping.rate(device=client.device, message=answer.id, rating=1)
    keeping.rate(device=client.device, message=answer.id, rating=-1, comment="no")
    stored = selectors.message(client.owner, answer.id)
    assert stored is not None
    assert (stored["rating"], stored["comment"]) == (-1, "no")
    keeping.unrate(device=client.device, message=answer.id)
    keeping.unrate(device=client.device, message=answer.id)
    assert not Feedback.objects.exists()
    with pytest.raises(Refused, match="only_answers_are_rated"):
        keeping.rate(device=client.device, message=question.id, rating=1)


def test_another_person_changes_nothing(client: Client, stranger: Client, conversation: UUID) -> None:
    answer = Message.objects.get(conversation=conversation, role="assistant")
    before = selectors.conversation_page(client.owner, conversation)
    for call, args in [
        (keeping.update_conversation, {"owner": stranger.owner, "conversation": conversation, "title": "mine"}),
        (keeping.delete_conversation, {"owner": stranger.owner, "conversation": conversation}),
        (keeping.restore_conversation, {"owner": stranger.owner, "conversation": conversation}),
        (keeping.rate, {"device": stranger.device, "message": answer.id, "rating": 1}),
        (keeping.unrate, {"device": stranger.device, "message": answer.id}),
    ]:
        with pytest.raises(Refused):
            call(**args)  # type: ignore[operator]
    assert selectors.conversation_page(client.owner, conversation) == before
