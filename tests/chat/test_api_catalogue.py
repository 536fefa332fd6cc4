from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from chat import selectors
from chat.models import Persona
from tests.chat.api import HOME, Person, ask, code_and_message, pair

PIRATE = {
    "name": "Pirate 海盗",
    "description": "Speaks like one.",
    "system_prompt": "You are a pirate.",
    "options": {"temperature": 1.2, "stop": ["Arr"]},
}


@pytest.fixture
def person(transactional_db: None) -> Person:
    return pair()


async def test_the_models(person: Person) -> None:
    (model,) = (await ask("GET", "models", token=person.token)).json()
    assert (model["name"], model["default"], model["state"], model["thinking"]) == ("fake", True, "ready", True)
    assert model["sampling"] == {"temperature": 0.7}


async def test_the_computer_itself_writes_personas_and_everybody_reads_them(person: Person) -> None:
    made = await ask("POST", "personas", host=HOME, json=PIRATE)
    assert made.status_code == 201
    assert made.json() == PIRATE | {"id": made.json()["id"]}
    path = f"personas/{made.json()['id']}"
    changed = (await ask("PATCH", path, host=HOME, json={"description": "", "options": {}})).json()
    assert changed == made.json() | {"description": "", "options": {}}
    assert changed in (await ask("GET", "personas", token=person.token)).json()
    assert (await ask("PATCH", path, host=HOME, json={})).json() == changed
    assert (await ask("DELETE", path, host=HOME)).status_code == 204
    assert (await ask("DELETE", path, host=HOME)).status_code == 404
    assert (await ask("PATCH", path, host=HOME, json={})).status_code == 404
    assert changed not in (await ask("GET", "personas", token=person.token)).json()


async def test_a_name_is_given_once(person: Person) -> None:
    await ask("POST", "personas", host=HOME, json=PIRATE)
    other = (await ask("POST", "personas", host=HOME, json={"name": "Other"})).json()
    taken = (409, "persona_name_taken", "There is a persona called Pirate 海盗 already.")
    assert code_and_message(await ask("POST", "personas", host=HOME, json=PIRATE)) == taken
    assert code_and_message(await ask("PATCH", f"personas/{other['id']}", host=HOME, json={"name": PIRATE["name"]})) == taken


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "name: expected at least 1 characters, got “”."),
        ({"name": None}, "name: expected text, got “null”."),
        ({"description": "x" * 201}, "description: expected at most 200 characters, got “"),
        ({"options": {"top_k": 1.5}}, "options.top_k: expected a whole number, got “1.5”."),
        ({"options": {"preset": "wild"}}, "options.preset: expected one of 'balanced', 'precise', 'creative' or 'tutorial', got “wild”."),
        ({"id": 1}, "The field id is not known here."),
    ],
)
async def test_what_a_persona_may_not_be(transactional_db: None, changes: Any, said: str) -> None:
    for response in (
        await ask("POST", "personas", host=HOME, json={"name": "a"} | changes),
        await ask("PATCH", "personas/1", host=HOME, json=changes),
    ):
        status, code, message = code_and_message(response)
        assert (status, code) == (422, "invalid")
        assert message.startswith(said)


@pytest.mark.parametrize("id_", ["0", "-1", "x", "1.5", "9" * 30])
async def test_an_id_that_is_none(transactional_db: None, id_: str) -> None:
    response = await ask("DELETE", f"personas/{id_}", host=HOME)
    assert code_and_message(response)[:2] == (422, "invalid")


async def test_what_has_a_persona_goes_on_without_it(person: Person) -> None:
    made = (await ask("POST", "personas", host=HOME, json=PIRATE)).json()
    file = {"format": "llmsite-conversation", "version": 1, "messages": []}
    conversation = (await ask("POST", "conversations/import", token=person.token, json=file)).json()
    await ask("PATCH", f"conversations/{conversation['id']}", token=person.token, json={"persona": made["id"]})
    assert (await ask("DELETE", f"personas/{made['id']}", host=HOME)).status_code == 204
    assert (await ask("GET", f"conversations/{conversation['id']}", token=person.token)).json()["persona"] is None


def test_the_personas_that_come_with_it(db: None) -> None:
    """As the migration makes them; tests that empty the tables take them away."""
    Persona.objects.all().delete()
    migration = import_module("chat.migrations.0002_people_see")
    for _ in range(2):
        migration.add_personas(apps, connection.schema_editor())
        assert [one["name"] for one in selectors.persona_list()] == ["Editor 文字编辑", "Teacher 老师", "Translator 翻译"]
