"""What a person's phones are told has changed: by whatever way it changed, in its order, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse

from chat import keeping, people, personas, selectors, services
from chat.cursors import BadCursor, Mark
from chat.exporting import ExportedConversation
from chat.identity import Client
from chat.models import Change, Conversation, Owner, Persona
from chat.services import Refused
from tests.chat.api import Person, ask, chat, code_and_message, pair
from tests.chat.conftest import make_client
from tests.chat.test_services import finish


class Follower:
    """A phone that asks for what is new."""

    def __init__(self, owner: UUID) -> None:
        self.owner = owner
        self.cursor: str | None = None
        self.known: dict[str, dict[str, Any]] = {}

    def ask(self, limit: int = 100) -> list[str]:
        """The ids that have changed; what was deleted with a minus."""
        told: list[str] = []
        while True:
            page = selectors.changes(self.owner, self.cursor, limit)
            assert len(page["items"]) <= limit
            for item in page["items"]:
                told.append("-" * item["deleted"] + item["id"])
                self.known.pop(item["id"], None)
                if not item["deleted"]:
                    self.known[item["id"]] = {name: value for name, value in item.items() if name != "deleted"}
            self.cursor = page["next"]
            if not page["more"]:
                return told

    def check(self) -> None:
        """It knows what the list says, all of it."""
        assert self.known == {row["id"]: row for row in selectors.conversation_list(self.owner, limit=200).items}


@pytest.fixture
def follower(client: Client) -> Follower:
    return Follower(client.owner)


def test_everything_first_then_what_is_new(client: Client, follower: Follower) -> None:
    made = [services.send(device=client.device, content=f"question {n}") for n in range(3)]
    assert follower.ask() == [str(new.conversation) for new in made]
    assert follower.ask() == []
    finish(made[1], "done")
    services.send(device=client.device, content="and", conversation=made[0].conversation)
    assert follower.ask() == [str(made[1].conversation), str(made[0].conversation)]
    follower.check()


WAYS: dict[str, Callable[[Client, services.NewRun], Any]] = {
    "renamed": lambda client, new: keeping.update_conversation(owner=client.owner, conversation=new.conversation, title="new"),
    "pinned": lambda client, new: keeping.update_conversation(owner=client.owner, conversation=new.conversation, pinned=True),
    "branch": lambda client, new: keeping.update_conversation(owner=client.owner, conversation=new.conversation, leaf=new.message),
    "options": lambda client, new: keeping.update_conversation(owner=client.owner, conversation=new.conversation, options={"top_k": 3}),
    "written in": lambda client, new: services.send(device=client.device, content="more", conversation=new.conversation),
    "system prompt": lambda client, new: services.set_system_prompt(device=client.device, content="be brief", conversation=new.conversation),
    "edited": lambda client, new: services.edit(device=client.device, message=new.parent, content="other"),
    "regenerated": lambda client, new: services.regenerate(device=client.device, message=new.message),
    "continued": lambda client, new: services.continue_answer(device=client.device, message=new.message),
    "rated": lambda client, new: keeping.rate(device=client.device, message=new.message, rating=1),
    "unrated": lambda client, new: keeping.unrate(device=client.device, message=new.message),
    "persona removed": lambda client, new: personas.delete_persona(persona=Persona.objects.get().id),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_change_one_is_told(client: Client, stranger: Client, follower: Follower, way: str) -> None:
    persona = Persona.objects.create(name="Cook")
    other = services.send(device=client.device, content="another")
    new = services.send(device=client.device, content="hello", persona=persona.id)
    finish(new, "hi", reason="stopped")
    follower.ask()
    theirs = Follower(stranger.owner)
    theirs.ask()
    WAYS[way](client, new)
    assert follower.ask() == [str(new.conversation)]
    assert theirs.ask() == []
    assert str(other.conversation) in follower.known
    follower.check()


def test_the_end_of_an_answer_is_told_also_after_a_crash(client: Client, follower: Follower) -> None:
    new = services.send(device=client.device, content="hello")
    follower.ask()
    assert follower.known[str(new.conversation)]["running"]
    services.recover_interrupted()
    assert follower.ask() == [str(new.conversation)]
    assert not follower.known[str(new.conversation)]["running"]


def test_deleted_and_brought_back(client: Client, follower: Follower) -> None:
    new = services.send(device=client.device, content="hello")
    follower.ask()
    keeping.delete_conversation(owner=client.owner, conversation=new.conversation)
    assert follower.ask() == [f"-{new.conversation}"]
    keeping.restore_conversation(owner=client.owner, conversation=new.conversation)
    assert follower.ask() == [str(new.conversation)]
    keeping.delete_conversation(owner=client.owner, conversation=new.conversation)
    services.send(device=client.device, content="I go on", conversation=new.conversation)
    assert follower.ask() == [str(new.conversation)]
    keeping.delete_conversation(owner=client.owner, conversation=new.conversation)
    assert Follower(client.owner).ask() == [], "who begins is not told of what is gone"
    follower.ask()
    follower.check()


def test_imported(client: Client, follower: Follower) -> None:
    follower.ask()
    data = ExportedConversation.model_validate({"format": "llmsite-conversation", "version": 1, "title": "from elsewhere", "messages": []})
    made = keeping.import_conversation(device=client.device, data=data)
    assert follower.ask() == [str(made.id)]


@pytest.mark.parametrize("action", [False, True], ids=["one", "selected"])
def test_what_the_owner_of_the_computer_removes_is_gone_from_the_phones(client: Client, follower: Follower, action: bool) -> None:
    new = services.send(device=client.device, content="hello")
    finish(new, "hi")
    follower.ask()
    browser = Browser()
    browser.force_login(User.objects.create_superuser("owner"))
    if action:
        data = {"action": "delete_selected", "_selected_action": str(new.conversation), "post": "yes"}
        browser.post(reverse("admin:chat_conversation_changelist"), data)
    else:
        browser.post(reverse("admin:chat_conversation_delete", args=[new.conversation]), {"post": "yes"})
    assert not Conversation.objects.exists()
    assert follower.ask() == [f"-{new.conversation}"]
    follower.check()


def test_what_the_owner_of_the_computer_sets_is_told(client: Client, follower: Follower) -> None:
    persona = Persona.objects.create(name="Cook")
    new = services.send(device=client.device, content="hello", persona=persona.id)
    finish(new, "hi")
    follower.ask()
    browser = Browser()
    browser.force_login(User.objects.create_superuser("owner"))
    browser.post(reverse("admin:chat_conversation_change", args=[new.conversation]), {"persona": "", "temperature": "0.5"})
    assert follower.ask() == [str(new.conversation)]
    browser.post(reverse("admin:chat_conversation_change", args=[new.conversation]), {"persona": persona.id})
    follower.ask()
    browser.post(reverse("admin:chat_persona_delete", args=[persona.id]), {"post": "yes"})
    assert not Persona.objects.exists()
    assert follower.ask() == [str(new.conversation)]
    follower.check()


def test_two_people_become_one(client: Client, stranger: Client, follower: Follower) -> None:
    mine = services.send(device=client.device, content="mine")
    gone = services.send(device=stranger.device, content="deleted")
    theirs = [services.send(device=stranger.device, content=f"theirs {n}") for n in range(3)]
    keeping.delete_conversation(owner=stranger.owner, conversation=gone.conversation)
    old = Follower(stranger.owner)
    old.ask()
    follower.ask()
    people.join_owners(keep=client.owner, others=[stranger.owner])
    told = follower.ask(limit=2)
    assert sorted(told) == sorted([*(str(new.conversation) for new in theirs), f"-{gone.conversation}"])
    assert str(mine.conversation) not in told
    follower.check()
    with pytest.raises(BadCursor):
        selectors.changes(client.owner, old.cursor)


def test_a_change_that_is_refused_is_none(client: Client, follower: Follower) -> None:
    new = services.send(device=client.device, content="hello")
    follower.ask()
    with pytest.raises(Refused):
        keeping.update_conversation(owner=client.owner, conversation=new.conversation, pinned=True, title=" ")
    assert follower.ask() == []


def test_page_by_page_each_once(client: Client, follower: Follower) -> None:
    made = [services.send(device=client.device, content=f"question {n}").conversation for n in range(7)]
    assert follower.ask(limit=2) == [str(id) for id in made]
    assert follower.ask(limit=2) == []


def test_a_number_is_used_once_by_one_person(client: Client) -> None:
    for n in range(4):
        finish(services.send(device=client.device, content=f"question {n}"), "yes")
    other = make_client("other")
    services.send(device=other.device, content="hello")
    numbers = list(Change.objects.filter(owner=client.owner).values_list("number", flat=True))
    assert len(set(numbers)) == len(numbers) == 4
    assert max(numbers) == Owner.objects.get(id=client.owner).changes
    assert Change.objects.get(owner=other.owner).number == 1


# --- over HTTP ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def person(transactional_db: None) -> Person:
    return pair()


async def test_what_changes_after_a_list_was_read(person: Person) -> None:
    first = await sync_to_async(chat)(person, "one")
    listed = (await ask("GET", "conversations", token=person.token)).json()
    second = await sync_to_async(chat)(person, "two")
    await ask("DELETE", f"conversations/{first.conversation}", token=person.token)
    found = (await ask("GET", f"changes?cursor={listed['changes']}", token=person.token)).json()
    assert [(item["id"], item["deleted"]) for item in found["items"]] == [(str(second.conversation), False), (str(first.conversation), True)]
    assert found["items"][0]["title"] == "two"
    assert found["items"][1] == {"id": str(first.conversation), "deleted": True}
    nothing = (await ask("GET", f"changes?cursor={found['next']}", token=person.token)).json()
    assert nothing == {"items": [], "next": found["next"], "more": False}


async def test_a_cursor_of_another_person_or_of_a_newer_database_is_none(person: Person) -> None:
    stranger = await sync_to_async(pair)("stranger")
    theirs = (await ask("GET", "conversations", token=stranger.token)).json()["changes"]
    newer = Mark(person.device.owner_id, 1000).cursor()
    for cursor in (theirs, newer, "nonsense", "W10", "WyJ4Iiwxxx"):
        assert code_and_message(await ask("GET", f"changes?cursor={cursor}", token=person.token))[:2] == (400, "bad_cursor")
