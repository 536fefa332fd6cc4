from __future__ import annotations

import pytest
from django.test import Client as Browser

from chat.admin.forms import SAMPLING_FIELDS, PersonaForm
from chat.models import Persona
from chat.protocol import Options

pytestmark = pytest.mark.django_db


def form(**given: object) -> PersonaForm:
    return PersonaForm({"name": "cat", **given})


def test_every_option_of_the_wire_has_its_field() -> None:
    assert set(SAMPLING_FIELDS) == set(Options.model_fields)
    assert set(SAMPLING_FIELDS) <= set(PersonaForm.base_fields)


def test_what_is_filled_in_is_stored_and_what_is_not_is_left_out() -> None:
    given = {"preset": "precise", "temperature": "0", "top_p": "0.5", "top_k": "0", "seed": "7", "stop": "\r\n###\r\nEND \r\n", "thinking": "no"}
    filled = form(**given)
    assert filled.is_valid(), filled.errors
    assert filled.instance.options == {
        "preset": "precise", "temperature": 0.0, "top_p": 0.5, "top_k": 0, "seed": 7, "stop": ["###", "END "], "thinking": False,
    }  # fmt: skip
    empty = form()
    assert empty.is_valid()
    assert empty.instance.options == {}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("temperature", "9", "less than or equal to 2"),
        ("temperature", "warm", "number"),
        ("top_p", "0", "greater than 0"),
        ("max_tokens", "0", "greater than or equal to 1"),
        ("top_k", "1.5", "whole number"),
        ("stop", "\n".join("abcdefghi"), "at most 8"),
        ("stop", "x" * 65, "at most 64"),
        ("preset", "wild", "not one of the available choices"),
    ],
)
def test_a_value_out_of_range_is_named_at_its_field(name: str, value: str, says: str) -> None:
    filled = form(**{name: value})
    assert not filled.is_valid()
    assert says in str(filled.errors[name])


def test_a_persona_is_made_and_changed_in_the_admin(owner: Browser, transactional_db: None) -> None:
    assert owner.post("/admin/chat/persona/add/", {"name": "cat", "system_prompt": "Purr.", "temperature": "1.5"}).status_code == 302
    persona = Persona.objects.get(name="cat")
    assert persona.options == {"temperature": 1.5}
    page = owner.get(f"/admin/chat/persona/{persona.id}/change/").content.decode()
    assert 'value="1.5"' in page
    refused = owner.post(f"/admin/chat/persona/{persona.id}/change/", {"name": "cat", "temperature": "3"})
    assert refused.status_code == 200
    assert b"less than or equal to 2" in refused.content
    assert Persona.objects.get(name="cat").options == {"temperature": 1.5}
