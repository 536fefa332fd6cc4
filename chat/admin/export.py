"""Conversations as JSON Lines: one conversation to a line, with all branches, the audit of each run and the ratings. docs/admin.md describes it.

Each line is also an object of the export format of the chat page (exporting.py) with more in it, so any line can be imported there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from chat.exporting import FORMAT, VERSION
from chat.models import Conversation, Feedback, Message, Run

BATCH = 20
"""Conversations that are in memory at a time."""
SEPARATORS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""What JSON lets stand and readers of lines take for the end of one."""
RUN_FIELDS = (
    "id", "status", "finish_reason", "options", "model", "prompt", "template_hash", "sampling", "seed", "prompt_tokens", "completion_tokens",
    "context_limit", "dropped_messages", "queue_s", "first_token_s", "total_s", "tokens_per_second", "error_code", "error", "base_answer",
    "base_thinking", "created_at", "started_at", "ended_at",
)  # fmt: skip


def download(conversations: QuerySet[Conversation]) -> StreamingHttpResponse:
    """A file that is written while it is read: memory holds BATCH conversations, however many there are."""
    ids = list(conversations.order_by("created_at", "id").values_list("id", flat=True))
    response = StreamingHttpResponse(_stream(ids), content_type="application/jsonl; charset=utf-8")
    name = timezone.localtime().strftime("llmsite-conversations-%Y%m%d-%H%M%S.jsonl")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _stream(ids: list[UUID]) -> AsyncIterator[str]:
    """Asynchronous, because Django collects the whole of a synchronous iterator before it sends anything."""
    for start in range(0, len(ids), BATCH):
        yield await sync_to_async(_batch)(ids[start : start + BATCH])


def _batch(ids: list[UUID]) -> str:
    return "".join(f"{json.dumps(line, ensure_ascii=False, cls=DjangoJSONEncoder).translate(SEPARATORS)}\n" for line in lines(ids))


def lines(ids: list[UUID]) -> Iterator[dict[str, Any]]:
    """The objects of these conversations, in this order; one that was removed meanwhile is left out."""
    conversations = Conversation.objects.select_related("owner", "persona").in_bulk(ids)
    messages: dict[UUID, list[dict[str, Any]]] = {id_: [] for id_ in ids}
    runs = _runs(ids)
    feedback = {row.message_id: row for row in Feedback.objects.filter(message__conversation__in=ids)}
    for message in Message.objects.filter(conversation__in=ids).select_related("device").order_by("created_at", "id"):
        messages[message.conversation_id].append(_message(message, runs.get(message.id, []), feedback.get(message.id)))
    for id_ in ids:
        if id_ in conversations:
            yield {**_conversation(conversations[id_]), "messages": messages[id_]}


def _runs(ids: list[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in Run.objects.filter(message__conversation__in=ids).order_by("created_at").values(*RUN_FIELDS, "message", "device", "device__name"):
        message, device, name = row.pop("message"), row.pop("device"), row.pop("device__name")
        found.setdefault(message, []).append({**row, "device": {"id": device, "name": name} if device else None})
    return found


def _conversation(row: Conversation) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": row.id,
        "title": row.title,
        "person": {"id": row.owner_id, "kind": row.owner.kind, "name": row.owner.name},
        "persona": row.persona.name if row.persona else "",
        "model": row.model,
        "options": row.options,
        "leaf": row.leaf_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "pinned_at": row.pinned_at,
        "deleted_at": row.deleted_at,
    }


def _message(row: Message, runs: list[dict[str, Any]], feedback: Feedback | None) -> dict[str, Any]:
    last = runs[-1] if runs else {}
    return {
        "id": row.id,
        "parent": row.parent_id,
        "role": row.role,
        "content": row.content,
        "thinking": row.thinking,
        "thinking_s": row.thinking_s,
        "created_at": row.created_at,
        "device": {"id": row.device_id, "name": row.device.name} if row.device else None,
        "model": last.get("model", ""),
        "finish_reason": last.get("finish_reason", ""),
        "rating": feedback.rating if feedback else 0,
        "comment": feedback.comment if feedback else "",
        "rated_at": feedback.updated_at if feedback else None,
        "runs": runs,
    }
