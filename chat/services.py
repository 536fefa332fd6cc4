"""Writes, each atomic. Synchronous: async code awaits them through `database_sync_to_async`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from chat import changes, search
from chat.models import Conversation, Device, Message, Persona, Run, RunEvent
from chat.runlog import Piece, pack, unpack
from chat.titles import title_of

APPEND = """
INSERT INTO chat_runevent (run_id, seq, channel, content, frames)
SELECT id, %s, %s, %s, %s FROM chat_run WHERE id = %s AND status <> 'done' {lock}
ON CONFLICT DO NOTHING
"""
"""Both databases understand it. Seven times a second, it is worth a third of a flush not to have the ORM write it. A flush whose commit went through
although its answer was lost is sent again: hence the conflict. A process that was thought dead may wake and flush once more: what is final meanwhile
gets no log again, and the lock (PostgreSQL's; SQLite has one writer) is so that it does not become final in between."""

CONTINUABLE = {Run.FinishReason.LENGTH, Run.FinishReason.STOPPED, Run.FinishReason.INTERRUPTED, Run.FinishReason.ERROR}


class Refused(Exception):
    """A request that cannot be carried out; nothing was written. `code` names the sentence."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


class AlreadyDone(Exception):
    """The same key came before: `run` (or, for `/system`, `message`) is what it made."""

    def __init__(self, run: UUID | None, message: UUID) -> None:
        super().__init__(f"the key was used for run {run}")
        self.run = run
        self.message = message


@dataclass(frozen=True)
class NewRun:
    """A run as it was written: queued, its answer still without new text."""

    run: UUID
    conversation: UUID
    message: UUID
    parent: UUID
    row: Run = field(compare=False, repr=False)
    """As it was written, with its message and conversation: so that they need not be read again."""
    base_answer: str = ""
    base_thinking: str = ""
    base_thinking_s: float | None = None


@dataclass(frozen=True)
class SystemSet:
    """A system prompt as it was stored."""

    conversation: UUID
    message: UUID


@dataclass(frozen=True)
class Event:
    """A flush of one run's log: pieces of one channel, ending at frame `seq`."""

    run: UUID
    seq: int
    pieces: tuple[Piece, ...]


def send(
    *,
    device: Device,
    content: str,
    conversation: UUID | None = None,
    parent: UUID | None = None,
    key: str | None = None,
    options: Mapping[str, Any] | None = None,
    model: str | None = None,
    persona: int | None = None,
) -> NewRun:
    """Store a user message, its empty answer and the run that will fill it. `model` and `persona` (0: none) stay with the conversation.

    Raises Refused, AlreadyDone.
    """
    with _once(device, key), changes.writing(device.owner_id):
        place = _open(device, conversation, content)
        _choose(place, model, persona)
        question = Message.objects.create(
            conversation=place, parent=_parent(place, parent), role=Message.Role.USER, content=content, device=device, key=key
        )
        search.index(question)
        return _answer(place, question, device=device, key=key, options=options)


def set_system_prompt(*, device: Device, content: str, conversation: UUID | None = None, key: str | None = None) -> SystemSet:
    """`/system …`: from here on in this branch; blank text removes it. Raises Refused, AlreadyDone."""
    with _once(device, key), changes.writing(device.owner_id):
        place = _open(device, conversation, "")
        message = Message.objects.create(
            conversation=place, parent=_parent(place, None), role=Message.Role.SYSTEM, content=content, device=device, key=key
        )
        _move_leaf(place, message)
        search.index(message)
        return SystemSet(place.id, message.id)


def edit(
    *, device: Device, message: UUID, content: str, key: str | None = None, options: Mapping[str, Any] | None = None, model: str | None = None
) -> NewRun:
    """A new branch beside the user's message, answered anew. Raises Refused, AlreadyDone."""
    with _once(device, key), changes.writing(device.owner_id):
        old = own_message(device, message)
        if old.role != Message.Role.USER:
            raise Refused("not_your_message")
        question = Message.objects.create(
            conversation=old.conversation, parent=old.parent, role=Message.Role.USER, content=content, device=device, key=key
        )
        search.index(question)
        return _answer(old.conversation, question, device=device, key=key, options=options, model=model)


def regenerate(
    *, device: Device, message: UUID, key: str | None = None, options: Mapping[str, Any] | None = None, model: str | None = None
) -> NewRun:
    """Another answer beside the old one. `message` is the answer or its question. Raises Refused, AlreadyDone."""
    with _once(device, key), changes.writing(device.owner_id):
        found = own_message(device, message)
        question = found.parent if found.role == Message.Role.ASSISTANT else found
        if question is None or question.role != Message.Role.USER:
            raise Refused("nothing_to_answer")
        return _answer(found.conversation, question, device=device, key=key, options=options, model=model)


def continue_answer(*, device: Device, message: UUID, key: str | None = None, options: Mapping[str, Any] | None = None) -> NewRun:
    """A further run of an answer that was cut short, behind exactly its text. Raises Refused, AlreadyDone."""
    with _once(device, key), changes.writing(device.owner_id):
        answer = own_message(device, message)
        newest = answer.runs.order_by("-created_at").first()
        if answer.role != Message.Role.ASSISTANT or answer.parent_id is None or newest is None:
            raise Refused("nothing_to_continue")
        if newest.status != Run.Status.DONE:
            raise Refused("still_running")
        if newest.finish_reason not in CONTINUABLE:
            raise Refused("nothing_to_continue")
        run = Run.objects.create(
            message=answer,
            device=device,
            key=key,
            options=options or {},
            model=answer.conversation.model,
            base_answer=len(answer.content),
            base_thinking=len(answer.thinking),
        )
        _move_leaf(answer.conversation, answer)
        return NewRun(run.id, answer.conversation_id, answer.id, answer.parent_id, run, answer.content, answer.thinking, answer.thinking_s)


def run_started(*, run: UUID, **audit: Any) -> None:
    """The prompt is made and decoding begins."""
    Run.objects.filter(id=run, status=Run.Status.QUEUED).update(**{"status": Run.Status.RUNNING, "started_at": timezone.now()} | audit)


def flush(starts: Mapping[UUID, Mapping[str, Any]], events: Iterable[Event]) -> None:
    """What has come since the last flush, of all running answers, in one transaction."""
    with transaction.atomic():
        for run, audit in starts.items():
            run_started(run=run, **audit)
        append_events(events)


def append_events(events: Iterable[Event]) -> None:
    """Add to the logs of those answers that are not final, in one statement."""
    as_stored = Run._meta.pk.get_db_prep_value
    rows = [
        (
            event.seq,
            event.pieces[0].channel,
            "".join([piece.text for piece in event.pieces]),
            pack(event.pieces),
            as_stored(event.run, connection),
        )
        for event in events
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(APPEND.format(lock="FOR SHARE" if connection.features.has_select_for_update else ""), rows)


def finish_run(
    *, run: UUID, pieces: list[Piece], base_thinking: str, base_answer: str, finish_reason: str, thinking_s: float | None = None, **audit: Any
) -> None:
    """Make a run's text final and remove its log; once, whoever comes first. `thinking_s` is the message's; None leaves what is stored."""
    owner, conversation, message = Run.objects.values_list("message__conversation__owner_id", "message__conversation_id", "message_id").get(id=run)
    now = timezone.now()
    with changes.writing(owner):
        unfinished = Run.objects.filter(id=run).exclude(status=Run.Status.DONE)
        ended = {"status": Run.Status.DONE, "finish_reason": finish_reason, "frames": pack(pieces), "ended_at": now}
        if not unfinished.update(**ended | {"started_at": Coalesce("started_at", now)} | audit):
            return  # its process seemed dead, and another one has made it final: what that has told the phones stays
        thinking = base_thinking + "".join(p.text for p in pieces if p.channel == "thinking")
        content = base_answer + "".join(p.text for p in pieces if p.channel == "answer")
        took = {"thinking_s": thinking_s} if thinking_s else {}
        Message.objects.filter(id=message).update(thinking=thinking, content=content, **took)
        search.index(Message(id=message, content=content))
        RunEvent.objects.filter(run=run).delete()
        Conversation.objects.filter(id=conversation).update(updated_at=now)
        changes.mark(owner, conversation)


def any_unfinished() -> bool:
    """Whether a run looks alive."""
    return Run.objects.exclude(status=Run.Status.DONE).exists()


def recover_interrupted(further: Mapping[UUID, Sequence[tuple[int, Sequence[Piece]]]] | None = None) -> int:
    """After a crash or a power cut: make what the logs hold final, as interrupted. Returns how many runs there were.

    `further`: what is known of the runs beside their logs: pieces with the number of the first, counted from 0.
    To be called by the one process that may (of a data folder, or of those that meet in Redis), before it serves.
    """
    further = further or {}
    unfinished = Run.objects.exclude(status=Run.Status.DONE).select_related("message").prefetch_related("events")
    count = unfinished.filter(message=None).update(status=Run.Status.DONE, finish_reason=Run.FinishReason.INTERRUPTED, ended_at=timezone.now())
    for run in unfinished:
        events = list(run.events.all())
        pieces = [piece for event in events for piece in _pieces(event)]
        for first, more in further.get(run.id, ()):
            if first <= len(pieces):
                pieces += more[len(pieces) - first :]
        finish_run(
            run=run.id,
            pieces=pieces,
            base_thinking=run.message.thinking[: run.base_thinking],
            base_answer=run.message.content[: run.base_answer],
            finish_reason=Run.FinishReason.INTERRUPTED,
        )
        count += 1
    return count


def _pieces(event: RunEvent) -> list[Piece]:
    thinking, answer = (event.content, "") if event.channel == "thinking" else ("", event.content)
    return unpack(event.frames, thinking, answer)


@contextmanager
def _once(device: Device, key: str | None) -> Iterator[None]:
    """The same key twice is the same message. The database refuses the second one, or it can no longer be carried out: then it is looked for."""
    try:
        yield
    except (IntegrityError, Refused):
        if key is not None:
            if run := Run.objects.filter(device=device, key=key).first():
                raise AlreadyDone(run.id, run.message_id) from None
            if message := Message.objects.filter(device=device, key=key).first():
                raise AlreadyDone(None, message.id) from None
        raise


def _open(device: Device, conversation: UUID | None, content: str) -> Conversation:
    """The conversation, locked for this transaction; made where there is none. A client may choose the id of a new one.

    What is said in a deleted one brings it back: its person has it open on another device.
    """
    title = title_of(content)
    if conversation is not None:
        found = Conversation.objects.select_for_update().filter(id=conversation).first()
        if found is not None:
            if found.owner_id != device.owner_id:
                raise Refused("no_conversation")
            if (not found.title and title) or found.deleted_at:
                found.title, found.deleted_at = found.title or title, None
                found.save(update_fields=["title", "deleted_at"])
            return found
    return Conversation.objects.create(id=conversation or uuid4(), owner_id=device.owner_id, title=title)


def _parent(conversation: Conversation, parent: UUID | None) -> Message | None:
    if parent is None:
        return conversation.leaf
    found = Message.objects.filter(id=parent, conversation=conversation).filter(~Q(role=Message.Role.USER)).first()
    if found is None:
        raise Refused("no_message")
    return found


def own_message(device: Device, message: UUID) -> Message:
    found = (
        Message.objects.select_related("conversation", "parent")
        .select_for_update(of=("self",))
        .filter(id=message, conversation__owner_id=device.owner_id, conversation__deleted_at=None)
        .first()
    )
    if found is None:
        raise Refused("no_message")
    return found


def _choose(conversation: Conversation, model: str | None, persona: int | None) -> None:
    """What answers in this conversation from now on; None changes nothing."""
    chosen: dict[str, Any] = {}
    if model is not None and model != conversation.model:
        chosen["model"] = model
    if persona is not None and (persona or None) != conversation.persona_id:
        chosen["persona_id"] = persona_id(persona)
    if chosen:
        Conversation.objects.filter(id=conversation.id).update(**chosen)
        conversation.model = chosen.get("model", conversation.model)
        conversation.persona_id = chosen.get("persona_id", conversation.persona_id)


def persona_id(persona: int | None) -> int | None:
    """Its id; None for 0. Raises Refused when there is none of that id."""
    if persona and not Persona.objects.filter(id=persona).exists():
        raise Refused("no_persona")
    return persona or None


def _answer(
    conversation: Conversation,
    question: Message,
    *,
    device: Device,
    key: str | None,
    options: Mapping[str, Any] | None,
    model: str | None = None,
) -> NewRun:
    """`model` answers this once; without it, the conversation's. What is stored with the run becomes what really answered when it starts."""
    answer = Message.objects.create(conversation=conversation, parent=question, role=Message.Role.ASSISTANT)
    run = Run.objects.create(message=answer, device=device, key=key, options=options or {}, model=conversation.model if model is None else model)
    _move_leaf(conversation, answer)
    return NewRun(run.id, conversation.id, answer.id, question.id, run)


def _move_leaf(conversation: Conversation, leaf: Message) -> None:
    Conversation.objects.filter(id=conversation.id).update(leaf=leaf, updated_at=timezone.now())
    changes.mark(conversation.owner_id, conversation.id)
