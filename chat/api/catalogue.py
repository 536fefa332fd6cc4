"""What one may choose from: models and personas."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Path, Router, Status

from chat import personas, selectors, services
from chat.api.answers import READ, WRITE, answers
from chat.api.auth import require_host, runtime_of
from chat.api.errors import language
from chat.api.schemas import Model, NewPersona, Persona, PersonaChanges, RowId

router = Router(tags=["models and personas"])


@router.get("/models", response=answers(list[Model], *READ))
def list_models(request: HttpRequest) -> Any:
    """What may answer. A model that is `idle` is loaded when it is asked."""
    runtime = runtime_of(request)
    return runtime.models(language()) if runtime is not None else []


@router.get("/personas", response=answers(list[Persona], *READ))
def list_personas(request: HttpRequest) -> Any:
    """Named system prompts with their sampling."""
    return selectors.persona_list()


@router.post("/personas", response=answers(Persona, *WRITE, status=201))
def create_persona(request: HttpRequest, body: NewPersona) -> Any:
    """Only from the computer's own browser."""
    require_host(request.auth)
    made = personas.create_persona(**body.said())
    return Status(201, selectors.persona(made.id))


@router.patch("/personas/{persona}", response=answers(Persona, *WRITE))
def change_persona(request: HttpRequest, persona: Path[RowId], body: PersonaChanges) -> Any:
    """Only from the computer's own browser. It holds for the next answer of every conversation that has it."""
    require_host(request.auth)
    if changes := body.said():
        personas.update_persona(persona=persona, **changes)
    found = selectors.persona(persona)
    if found is None:
        raise services.Refused("no_persona")
    return found


@router.delete("/personas/{persona}", response=answers(None, *WRITE, status=204))
def delete_persona(request: HttpRequest, persona: Path[RowId]) -> Any:
    """Only from the computer's own browser. Conversations that had it go on without one."""
    require_host(request.auth)
    personas.delete_persona(persona=persona)
    return Status(204, None)
