"""Personas, which the owner of the computer writes."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from chat.changes import mark_and_tell, writing
from chat.models import Conversation, Persona
from chat.services import Refused


def create_persona(**fields: Any) -> Persona:
    """`name`, `description`, `system_prompt`, `options`. Raises Refused when there is one of that name."""
    try:
        with transaction.atomic():
            return Persona.objects.create(**fields)
    except IntegrityError as error:
        raise Refused("persona_name_taken", name=fields["name"]) from error


def update_persona(*, persona: int, **changes: Any) -> None:
    """Raises Refused."""
    try:
        with transaction.atomic():
            if not Persona.objects.filter(id=persona).update(**changes):
                raise Refused("no_persona")
    except IntegrityError as error:
        raise Refused("persona_name_taken", name=changes["name"]) from error


def delete_persona(*, persona: int) -> None:
    """Conversations that had it go on without one, each person's in a transaction of its own. Raises Refused."""
    having = Conversation.objects.filter(persona=persona)
    for owner in set(having.values_list("owner_id", flat=True)):
        with writing(owner):
            taken = list(having.filter(owner=owner).values_list("id", flat=True))
            having.filter(owner=owner).update(persona=None)
            for conversation in taken:
                mark_and_tell(owner, conversation)
    if not Persona.objects.filter(id=persona).delete()[0]:
        raise Refused("no_persona")
