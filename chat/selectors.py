"""Reads: what a run needs, then what a person sees. Synchronous: async code awaits them through `in_database`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Case, IntegerField, Q, QuerySet, When
from django.db.models.functions import Left

from chat.cursors import BadCursor, Mark, Page, Place, behind
from chat.exporting import exported
from chat.models import Change, Conversation, Device, Feedback, Message, Owner, Persona, Run
from chat.presets import sampling_of
from chat.protocol import Context, End, Error, Start, TimingSeconds, UsageCount
from chat.runlog import RunLog, unpack
from chat.search import matching, snippet
from inference.types import ChatMessage, Prefill, Sampling


@dataclass(frozen=True)
class ModelInput:
    """What a run gives the engine."""

    messages: tuple[ChatMessage, ...]
    prefill: Prefill | None
    layered: Sampling
    """Conversation over persona: the engine drops what it does not understand."""
    asked: Sampling
    """What the message itself asked for: refused where the engine does not understand it."""
    model: str = ""
    """Which of the configured models is to answer; blank: the default one."""


def stored_input(run: UUID, default_system_prompt: str = "") -> ModelInput:
    """As it is in the database now."""
    return model_input(Run.objects.select_related("message__conversation__persona").get(id=run), default_system_prompt)


def model_input(run: Run, default_system_prompt: str = "") -> ModelInput:
    """The conversation down to the question that this run answers."""
    answer = run.message
    conversation = answer.conversation
    persona = conversation.persona
    rows = branch(conversation.id, answer.parent_id)
    system = next((row.content for row in reversed(rows) if row.role == Message.Role.SYSTEM), None)
    if system is None:
        system = persona.system_prompt if persona else default_system_prompt
    messages = [ChatMessage("system", system)] if system.strip() else []
    messages += _turns(rows)
    prefill = None
    if answer.content or answer.thinking:
        prefill = Prefill(answer.thinking, answer.content, in_thinking=bool(answer.thinking and not answer.content))
    layered = sampling_of(conversation.options).over(sampling_of(persona.options) if persona else Sampling())
    asked = sampling_of({k: v for k, v in run.options.items() if k != "preset"})
    preset = sampling_of({"preset": run.options["preset"]}) if "preset" in run.options else Sampling()
    return ModelInput(tuple(messages), prefill, preset.over(layered), asked, run.model)


class _Row(NamedTuple):
    """Of a message, what a model gets, and where it hangs."""

    id: UUID
    parent_id: UUID | None
    role: str
    content: str
    thinking: str


def _turns(rows: list[_Row]) -> list[ChatMessage]:
    """User and assistant turns in turn. An answer without text is left out; what then stands side by side becomes one turn,
    because many chat templates refuse two turns of one speaker."""
    turns: list[ChatMessage] = []
    for row in rows:
        if row.role == Message.Role.SYSTEM or not row.content.strip():
            continue
        if turns and turns[-1].role == row.role:
            last = turns.pop()
            turns.append(ChatMessage(last.role, f"{last.content}\n\n{row.content}", last.thinking))
        else:
            turns.append(ChatMessage("user" if row.role == Message.Role.USER else "assistant", row.content, row.thinking))
    return turns


def branch(conversation: UUID, leaf: UUID | None) -> list[_Row]:
    """The messages from the root down to `leaf`. Rows, not the ORM's objects: there may be hundreds, and the first token waits for them."""
    rows = {row[0]: _Row(*row) for row in Message.objects.filter(conversation=conversation).values_list(*_Row._fields)}
    path: list[_Row] = []
    while leaf is not None and leaf in rows:
        path.append(rows[leaf])
        leaf = rows[leaf].parent_id
    return path[::-1]


def model_of(*, device: Device, conversation: UUID | None = None, message: UUID | None = None) -> str:
    """What a conversation of the device's owner, or that of a message, is set to be answered by; "" where there is none, too."""
    rows = Conversation.objects.filter(owner_id=device.owner_id)
    found = rows.filter(id=conversation) if message is None else rows.filter(messages=message)
    return found.values_list("model", flat=True).first() or ""


def conversation_of(message: UUID) -> UUID:
    return Message.objects.only("conversation_id").get(id=message).conversation_id


def find_run(*, device: Device, run: UUID) -> Run | None:
    """A run of one of the device's owner's conversations, finished or not."""
    return Run.objects.select_related("message").filter(id=run, message__conversation__owner_id=device.owner_id).first()


def stored_log(run: Run) -> RunLog:
    """The log of a finished run, frame by frame as it was streamed."""
    message = run.message
    later = message.runs.filter(created_at__gt=run.created_at).order_by("created_at").first()
    thinking = message.thinking[run.base_thinking : later.base_thinking if later else None]
    answer = message.content[run.base_answer : later.base_answer if later else None]
    log = RunLog(run.id)
    log.start = Start(
        run=run.id,
        conversation=message.conversation_id,
        message=message.id,
        parent=message.parent_id,
        key=run.key,
        model=run.model,
        content=message.content[: run.base_answer],
        thinking=message.thinking[: run.base_thinking],
        context=Context(used=run.prompt_tokens, limit=run.context_limit, dropped=run.dropped_messages) if run.started_at and run.prompt else None,
    )
    log.pieces = unpack(run.frames, thinking, answer)
    if run.finish_reason == Run.FinishReason.ERROR:
        log.error = Error(code=run.error_code or "internal", message=run.error, run=run.id)
    log.end = End(
        run=run.id,
        seq=len(log.pieces) + 1,
        finish_reason=run.finish_reason,
        usage=UsageCount(prompt_tokens=run.prompt_tokens, completion_tokens=run.completion_tokens or 0),
        timing=TimingSeconds(
            queue_s=run.queue_s,
            first_token_s=run.first_token_s,
            thinking_s=message.thinking_s,
            total_s=run.total_s,
            tokens_per_second=run.tokens_per_second,
        ),
    )
    return log


# --- what a person sees -----------------------------------------------------------------------------------------------------------

PREVIEW_CHARS = 120


def conversation_list(owner: UUID, cursor: str | None = None, limit: int = 50, query: str = "") -> Page:
    """The conversations of an owner: pinned ones first, then the newest. `query`: only those with it in the title or a message. Raises BadCursor."""
    rows = _listed(owner)
    if query.strip():
        rows = rows.filter(Q(title__icontains=query.strip()) | Q(messages__in=matching(query))).distinct()
    if cursor:
        place = Place.of(cursor)
        older = Q(updated_at__lt=place.when) | Q(updated_at=place.when, id__lt=place.id)
        rows = rows.filter((Q(group=0) & older) | Q(group=1) if place.group == 0 else Q(group=1) & older)
    found = list(rows.order_by("group", "-updated_at", "-id")[: limit + 1])
    running = _running(owner)
    last = found[limit - 1] if len(found) > limit else None
    items = [_conversation(row, running=row.id in running) for row in found[:limit]]
    return Page(items, Place(last.updated_at, last.id, last.group).cursor() if last else None)


def changes(owner: UUID, cursor: str | None = None, limit: int = 100) -> dict[str, Any]:
    """What has changed behind the cursor, the oldest change first: rows of `conversation_list`, or `{id, deleted}`; without one, all there are.

    What is in `next` has been seen, so that asking with it again misses nothing: changes.py says why. Raises BadCursor, also for one that is
    another person's, or newer than the database (which was restored from a copy).
    """
    seen = Mark.of(cursor) if cursor else Mark(owner, 0)
    now = changes_now(owner)
    if seen.owner != owner or seen.number > now.number:
        raise BadCursor(cursor or "")
    changed = list(Change.objects.filter(owner=owner, number__gt=seen.number).order_by("number")[: limit + 1])
    more = len(changed) > limit
    changed = changed[:limit]
    rows = {row.id: row for row in _listed(owner).filter(id__in=[change.conversation for change in changed])}
    running = _running(owner)
    items = [
        _conversation(rows[id], running=id in running) | {"deleted": False} if id in rows else {"id": str(id), "deleted": True}
        for id in (change.conversation for change in changed)
        if cursor or id in rows
    ]
    return {"items": items, "next": Mark(owner, changed[-1].number if changed else seen.number).cursor(), "more": more}


def changes_now(owner: UUID) -> Mark:
    """Where the person's changes have got to."""
    return Mark(owner, Owner.objects.values_list("changes", flat=True).get(id=owner))


def _running(owner: UUID) -> set[UUID]:
    """The conversations in which an answer waits or is being written."""
    unfinished = Run.objects.filter(status__in=(Run.Status.QUEUED, Run.Status.RUNNING), message__conversation__owner_id=owner)
    return set(unfinished.values_list("message__conversation_id", flat=True))


def conversation(owner: UUID, conversation: UUID) -> dict[str, Any] | None:
    """One row of `conversation_list`. None when it is not the owner's."""
    row = _listed(owner).filter(id=conversation).first()
    if row is None:
        return None
    running = Run.objects.filter(status__in=(Run.Status.QUEUED, Run.Status.RUNNING), message__conversation=row).exists()
    return _conversation(row, running=running)


def conversation_page(owner: UUID, conversation: UUID) -> dict[str, Any] | None:
    """One conversation with its whole tree of messages, parents before their children. None when it is not the owner's."""
    row = _listed(owner).filter(id=conversation).first()
    if row is None:
        return None
    messages = _messages(list(Message.objects.filter(conversation=row).order_by("created_at", "id")))
    running = any(message["running"] for message in messages)
    return _conversation(row, running=running) | {"leaf": str(row.leaf_id) if row.leaf_id else None, "messages": messages}


def message_page(owner: UUID, conversation: UUID, cursor: str | None = None, limit: int = 50) -> Page | None:
    """The messages of one conversation, the oldest first. None when it is not the owner's. Raises BadCursor."""
    if not Conversation.objects.filter(id=conversation, owner_id=owner, deleted_at=None).exists():
        return None
    rows = Message.objects.filter(behind("created_at", cursor, newest_first=False), conversation=conversation)
    found = list(rows.order_by("created_at", "id")[: limit + 1])
    last = found[limit - 1] if len(found) > limit else None
    return Page(_messages(found[:limit]), Place(last.created_at, last.id).cursor() if last else None)


def message(owner: UUID, message: UUID) -> dict[str, Any] | None:
    """None when it is not in one of the owner's conversations."""
    row = Message.objects.filter(id=message, conversation__owner_id=owner, conversation__deleted_at=None).first()
    return _messages([row])[0] if row else None


def search(owner: UUID, query: str, cursor: str | None = None, limit: int = 20) -> Page:
    """The owner's messages that hold what is asked for, the newest first. Raises BadCursor."""
    rows = matching(query).filter(behind("created_at", cursor, newest_first=True), conversation__owner_id=owner, conversation__deleted_at=None)
    found = list(rows.select_related("conversation").order_by("-created_at", "-id")[: limit + 1])
    last = found[limit - 1] if len(found) > limit else None
    items = [
        {
            "conversation": {"id": str(row.conversation_id), "title": row.conversation.title},
            "message": str(row.id),
            "role": row.role,
            "created_at": row.created_at.isoformat(),
            "snippet": snippet(row.content, query),
        }
        for row in found[:limit]
    ]
    return Page(items, Place(last.created_at, last.id).cursor() if last else None)


def exported_conversation(owner: UUID, conversation: UUID) -> dict[str, Any] | None:
    """The export format (exporting.py). None when it is not the owner's."""
    page = conversation_page(owner, conversation)
    if page is None:
        return None
    persona = Persona.objects.filter(id=page["persona"]).values_list("name", flat=True).first() if page["persona"] else ""
    return exported(page, persona or "")


def persona_list() -> list[dict[str, Any]]:
    return [_persona(row) for row in Persona.objects.all()]


def persona(persona: int) -> dict[str, Any] | None:
    row = Persona.objects.filter(id=persona).first()
    return _persona(row) if row else None


def device_list(owner: UUID | None, this: UUID | None = None) -> list[dict[str, Any]]:
    """The paired devices of an owner (None: of everybody), the newest first."""
    paired = Device.objects.filter(kind=Device.Kind.DEVICE, token_hash__isnull=False)
    rows = paired.filter(**({"owner_id": owner} if owner else {})).order_by("-created_at")
    return [
        {
            "id": str(row.id),
            "name": row.name,
            "this": row.id == this,
            "created_at": row.created_at.isoformat(),
            "last_seen_at": row.last_seen_at.isoformat() if row.last_seen_at else None,
            "revoked_at": row.revoked_at.isoformat() if row.revoked_at else None,
        }
        for row in rows
    ]


def owner_of_device(device: UUID) -> UUID | None:
    return Device.objects.filter(id=device, kind=Device.Kind.DEVICE).values_list("owner_id", flat=True).first()


def _listed(owner: UUID) -> QuerySet[Conversation]:
    """With the beginning of what was said last; the whole text of fifty answers is not for a list."""
    return Conversation.objects.filter(owner_id=owner, deleted_at=None).annotate(
        group=Case(When(pinned_at=None, then=1), default=0, output_field=IntegerField()),
        said=Left("leaf__content", PREVIEW_CHARS * 2),
        asked=Left("leaf__parent__content", PREVIEW_CHARS * 2),
    )


def _conversation(row: Any, *, running: bool) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "title": row.title,
        "pinned": row.pinned_at is not None,
        "model": row.model,
        "persona": row.persona_id,
        "options": row.options,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "preview": " ".join((row.said or row.asked or "").split())[:PREVIEW_CHARS],
        "running": running,
    }


FIGURES = ("id", "status", "finish_reason", "error", "model", "prompt_tokens", "completion_tokens", "context_limit", "tokens_per_second")


def _messages(rows: list[Message]) -> list[dict[str, Any]]:
    """With what their newest runs came to, and what their person thinks of them."""
    ids = [row.id for row in rows]
    # The prompts, as long as the conversation each, are not for a page.
    runs = {run["message_id"]: run for run in _few(Run.objects.order_by("created_at"), ids).values("message_id", *FIGURES)}
    ratings = {one.message_id: one for one in _few(Feedback.objects.all(), ids)}
    return [_message(row, runs.get(row.id), ratings.get(row.id)) for row in rows]


def _few(rows: QuerySet[Any], messages: list[UUID]) -> QuerySet[Any]:
    """Those of a few messages by their ids; of many, by their conversation: databases limit the length of a list."""
    if len(messages) <= 200:
        return rows.filter(message__in=messages)
    return rows.filter(message__conversation__in=Message.objects.filter(id=messages[0]).values("conversation"))


def _message(row: Message, run: dict[str, Any] | None, feedback: Feedback | None) -> dict[str, Any]:
    figures = run or dict.fromkeys(FIGURES)
    return {
        "id": str(row.id),
        "parent": str(row.parent_id) if row.parent_id else None,
        "role": row.role,
        "content": row.content,
        "thinking": row.thinking,
        "thinking_s": row.thinking_s,
        "created_at": row.created_at.isoformat(),
        "rating": feedback.rating if feedback else 0,
        "comment": feedback.comment if feedback else "",
        "run": str(run["id"]) if run else None,
        "running": run is not None and run["status"] != Run.Status.DONE,
        "finish_reason": figures["finish_reason"] or "",
        "error": figures["error"] or "",
        "model": figures["model"] or "",
        "prompt_tokens": figures["prompt_tokens"],
        "completion_tokens": figures["completion_tokens"],
        "context_limit": figures["context_limit"],
        "tokens_per_second": figures["tokens_per_second"],
    }


def _persona(row: Persona) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "description": row.description, "system_prompt": row.system_prompt, "options": row.options}
