"""Conversations: the list, one of them, its changes, export and import; and the search through all of them."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.http import content_disposition_header
from ninja import Query, Router, Status
from pydantic import Field, ValidationError

from chat import keeping, selectors, services
from chat.api.answers import READ, WRITE, answers
from chat.api.auth import runtime_of, spend
from chat.api.body import parse
from chat.api.errors import ApiError, language
from chat.api.invalid import sentence_of
from chat.api.schemas import (
    Changes,
    ChangesCursor,
    Conversation,
    ConversationChanges,
    ConversationList,
    ConversationPage,
    Cursor,
    HitList,
    Limit,
    MessageList,
)
from chat.exporting import ExportedConversation, as_markdown
from chat.sentences import sentence
from inference.errors import NoModel

router = Router(tags=["conversations"])

EXPORTED = {"$ref": "#/components/schemas/ExportedConversation"}
FILE_NAME_CHARS = 60
UNSAFE = re.compile(r'[\\/:*?"<>|]+')

Text = Annotated[str, Field(max_length=200)]


@router.get("/conversations", response=answers(ConversationList, *READ))
def list_conversations(request: HttpRequest, cursor: Cursor = "", limit: Limit = 50, q: Text = "", id: UUID | None = None) -> Any:
    """Pinned ones first, then the newest. `q`: only those with these words in the title or a message. `id`: this one, without its messages."""
    owner = request.auth.owner
    changes = selectors.changes_now(owner).cursor()  # before the list is read: what changes between the two comes twice, and is not missed
    if id is not None:
        one = selectors.conversation(owner, id)
        return {"items": [one] if one else [], "next": None, "changes": changes}
    page = selectors.conversation_list(owner, cursor or None, limit, q)
    return {"items": page.items, "next": page.next, "changes": changes}


@router.get("/changes", response=answers(Changes, *READ))
def list_changes(request: HttpRequest, cursor: ChangesCursor = "", limit: Limit = 100) -> Any:
    """The conversations that were written in, renamed, pinned, deleted or brought back since, for a client that keeps them."""
    return selectors.changes(request.auth.owner, cursor or None, limit)


@router.post(
    "/conversations/import",
    response=answers(Conversation, *WRITE, status=201),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ExportedConversation"}}}}
    },
)
def import_conversation(request: HttpRequest) -> Any:
    """Store what `export?format=json` gave, here or elsewhere, as a new conversation. All of it or nothing; at most 5 MB (`body_mb`)."""
    # Not `request.body`: that is bounded for messages, and a whole conversation is longer.
    limit = settings.CONFIG.limits.body_mb << 20
    body = request.read(limit + 1)
    data = parse(request, body, limit)
    try:
        conversation = ExportedConversation.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ApiError(422, "invalid", message=sentence_of({**first, "loc": ("file", *first["loc"])}, language())) from error
    spend(request.auth, characters=len(body))
    made = keeping.import_conversation(device=request.auth.device, data=conversation)
    return Status(201, selectors.conversation(request.auth.owner, made.id))


@router.get("/conversations/{conversation}", response=answers(ConversationPage, *READ))
def read_conversation(request: HttpRequest, conversation: UUID) -> Any:
    """With all its messages, every branch of them."""
    return _found(selectors.conversation_page(request.auth.owner, conversation))


@router.patch("/conversations/{conversation}", response=answers(Conversation, *WRITE))
def change_conversation(request: HttpRequest, conversation: UUID, body: ConversationChanges) -> Any:
    """Rename, pin, choose model, persona, sampling or branch."""
    changes = body.said()
    if "model" in changes:
        changes["model"] = _model(request, changes["model"])
    keeping.update_conversation(owner=request.auth.owner, conversation=conversation, **changes)
    return _found(selectors.conversation(request.auth.owner, conversation))


def _model(request: HttpRequest, asked: str) -> str:
    """Under its own name."""
    try:
        return str(runtime_of(request).model_name(asked))
    except NoModel as error:
        raise ApiError(404, error.code, message=sentence(error.code, language(), str(error), **error.params)) from error


@router.delete("/conversations/{conversation}", response=answers(None, *WRITE, status=204))
def delete_conversation(request: HttpRequest, conversation: UUID) -> Any:
    """Hide it, until it is restored. The record stays with the owner of the computer."""
    keeping.delete_conversation(owner=request.auth.owner, conversation=conversation)
    return Status(204, None)


@router.post("/conversations/{conversation}/restore", response=answers(Conversation, *WRITE))
def restore_conversation(request: HttpRequest, conversation: UUID) -> Any:
    """Undo deleting."""
    keeping.restore_conversation(owner=request.auth.owner, conversation=conversation)
    return _found(selectors.conversation(request.auth.owner, conversation))


@router.get("/conversations/{conversation}/messages", response=answers(MessageList, *READ))
def list_messages(request: HttpRequest, conversation: UUID, cursor: Cursor = "", limit: Limit = 50) -> Any:
    """All branches, the oldest message first."""
    return _found(selectors.message_page(request.auth.owner, conversation, cursor or None, limit))


@router.get(
    "/conversations/{conversation}/export",
    response=answers(ExportedConversation, *READ),
    openapi_extra={"responses": {200: {"description": "The file.", "content": {"text/markdown": {"schema": {"type": "string"}}}}}},
)
def export_conversation(request: HttpRequest, conversation: UUID, format: Literal["markdown", "json"] = "markdown") -> Any:
    """As a file: `markdown` is the open branch, to be read; `json` is everything, to be imported again."""
    if format == "json":
        whole = _found(selectors.exported_conversation(request.auth.owner, conversation))
        response: HttpResponse = JsonResponse(whole, json_dumps_params={"ensure_ascii": False, "indent": 1})
        return _as_file(response, whole["title"], "json")
    page = _found(selectors.conversation_page(request.auth.owner, conversation))
    return _as_file(HttpResponse(as_markdown(page, language()), content_type="text/markdown; charset=utf-8"), page["title"], "md")


@router.get("/search", response=answers(HitList, *READ))
def search(request: HttpRequest, q: Query[Annotated[str, Field(min_length=1, max_length=200)]], cursor: Cursor = "", limit: Limit = 20) -> Any:
    """Messages that hold all these words (Chinese: these characters), the newest first."""
    return selectors.search(request.auth.owner, q, cursor or None, limit)


def _found(value: Any) -> Any:
    if value is None:
        raise services.Refused("no_conversation")
    return value


def _as_file(response: HttpResponse, title: str, ending: str) -> HttpResponse:
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=f"{file_name(title)}.{ending}")
    return response


def file_name(title: str) -> str:
    """A title as the name of a file on any system: without what a path, a shell or a screen would take for something else."""
    visible = "".join(" " if unicodedata.category(character).startswith("C") else character for character in title)
    return " ".join(UNSAFE.sub(" ", visible).split())[:FILE_NAME_CHARS].strip(" .") or "conversation"
