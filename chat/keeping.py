"""What a person does with whole conversations: rename, pin, delete, bring back, import; and what they think of an answer. Writes, each atomic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from chat import search
from chat.changes import mark_and_tell, writing
from chat.exporting import ExportedConversation, ExportedMessage
from chat.models import Conversation, Device, Feedback, Message, SearchEntry
from chat.services import Refused, own_message, persona_id

TITLE_CHARS = 200
COMMENT_CHARS = 2000
BATCH = 500


def update_conversation(*, owner: UUID, conversation: UUID, **changes: Any) -> None:
    """Change `title`, `pinned`, `persona` (id; 0 or None: none), `model`, `options`, `leaf` (the message that its open branch leads to).

    Raises Refused.
    """
    with writing(owner):
        found = _own_conversation(owner, conversation)
        fields: dict[str, Any] = {}
        for name, value in changes.items():
            fields |= _CHANGES[name](found, value)
        if fields:
            Conversation.objects.filter(id=found.id).update(**fields)
            mark_and_tell(owner, conversation)


def _titled(_: Conversation, title: str) -> dict[str, Any]:
    plain = " ".join(title.split())
    if not plain:
        raise Refused("no_title")
    return {"title": plain[:TITLE_CHARS]}


def _opened(conversation: Conversation, message: UUID) -> dict[str, Any]:
    """A branch is opened down to its end: to the newest message below the one that was chosen."""
    children: dict[UUID | None, list[UUID]] = {}
    for child, parent in Message.objects.filter(conversation=conversation).order_by("created_at").values_list("id", "parent_id"):
        children.setdefault(parent, []).append(child)
    if not any(message in siblings for siblings in children.values()):
        raise Refused("no_message")
    while message in children:
        message = children[message][-1]
    return {"leaf_id": message}


_CHANGES: Mapping[str, Callable[[Conversation, Any], dict[str, Any]]] = {
    "title": _titled,
    "pinned": lambda found, pinned: {"pinned_at": (found.pinned_at or timezone.now()) if pinned else None},
    "persona": lambda _, persona: {"persona_id": persona_id(persona or 0)},
    "model": lambda _, model: {"model": model},
    "options": lambda _, options: {"options": options},
    "leaf": _opened,
}


def delete_conversation(*, owner: UUID, conversation: UUID) -> None:
    """Hide it from its person. The record stays. Raises Refused."""
    with writing(owner):
        found = _own_conversation(owner, conversation)
        Conversation.objects.filter(id=found.id).update(deleted_at=timezone.now())
        mark_and_tell(owner, conversation)


def restore_conversation(*, owner: UUID, conversation: UUID) -> None:
    """Undo `delete_conversation`. Raises Refused."""
    with writing(owner):
        if not Conversation.objects.filter(id=conversation, owner_id=owner).update(deleted_at=None):
            raise Refused("no_conversation")
        mark_and_tell(owner, conversation)


def remove_conversations(*, conversations: Iterable[UUID]) -> None:
    """For good, record and all: what the owner of the computer may do, and nobody else. Phones that hold them learn that they are gone."""
    for owner, conversation in Conversation.objects.filter(id__in=conversations).values_list("owner_id", "id"):
        with writing(owner):
            mark_and_tell(owner, conversation)
            Conversation.objects.filter(id=conversation).delete()


def import_conversation(*, device: Device, data: ExportedConversation) -> Conversation:
    """Store an exported conversation as a new one of this device's person. No audit comes along: nothing here has made those answers."""
    now = timezone.now()
    made = Conversation(
        owner_id=device.owner_id,
        title=data.title[:TITLE_CHARS],
        options=data.options.model_dump(exclude_none=True),
        created_at=data.created_at or now,
    )
    ids = {row.id: uuid4() for row in data.messages}
    # Those without a time have one each all the same: messages are shown in its order.
    messages = [_imported(row, made, ids, device, now + timedelta(microseconds=place)) for place, row in enumerate(data.messages)]
    rated = [Feedback(message_id=ids[row.id], device=device, rating=row.rating, comment=row.comment) for row in data.messages if row.rating]
    found = search.entries(messages)
    leaf = ids.get(data.leaf or "") or (messages[-1].id if messages else None)
    # Everything is made before, and in few statements: answers that are being written wait for this transaction.
    with writing(device.owner_id):
        made.save(force_insert=True)
        Message.objects.bulk_create(messages, batch_size=BATCH)
        SearchEntry.objects.bulk_create(found, batch_size=BATCH)
        Feedback.objects.bulk_create(rated, batch_size=BATCH)
        Conversation.objects.filter(id=made.id).update(leaf=leaf)
        mark_and_tell(device.owner_id, made.id)
    return made


def _imported(row: ExportedMessage, conversation: Conversation, ids: Mapping[str, UUID], device: Device, now: datetime) -> Message:
    return Message(
        id=ids[row.id],
        conversation=conversation,
        parent_id=ids[row.parent] if row.parent else None,
        role=row.role,
        content=row.content,
        thinking=row.thinking,
        thinking_s=row.thinking_s,
        device=device,
        created_at=row.created_at or now,
    )


def rate(*, device: Device, message: UUID, rating: int, comment: str = "") -> None:
    """Thumbs up (1) or down (-1) for an answer; again: the new one holds. Raises Refused."""
    with writing(device.owner_id):
        found = own_message(device, message)
        if found.role != Message.Role.ASSISTANT:
            raise Refused("only_answers_are_rated")
        Feedback.objects.update_or_create(message=found, defaults={"device": device, "rating": rating, "comment": comment[:COMMENT_CHARS]})
        mark_and_tell(device.owner_id, found.conversation_id)


def unrate(*, device: Device, message: UUID) -> None:
    """Take the thumb back. Raises Refused."""
    with writing(device.owner_id):
        found = own_message(device, message)
        Feedback.objects.filter(message=found).delete()
        mark_and_tell(device.owner_id, found.conversation_id)


def _own_conversation(owner: UUID, conversation: UUID) -> Conversation:
    found = Conversation.objects.select_for_update().filter(id=conversation, owner_id=owner, deleted_at=None).first()
    if found is None:
        raise Refused("no_conversation")
    return found
