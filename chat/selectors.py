"""Reads. Synchronous: async code awaits them through `database_sync_to_async`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chat.models import Conversation, Device, Message, Run
from chat.presets import sampling_of
from chat.protocol import Context, End, Error, Start, TimingSeconds, UsageCount
from chat.runlog import RunLog, unpack
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


def model_input(run_id: UUID, default_system_prompt: str = "") -> ModelInput:
    """The conversation down to the question that this run answers."""
    run = Run.objects.select_related("message__conversation__persona").get(id=run_id)
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
    return ModelInput(tuple(messages), prefill, preset.over(layered), asked)


def _turns(rows: list[Message]) -> list[ChatMessage]:
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


def branch(conversation: UUID, leaf: UUID | None) -> list[Message]:
    """The messages from the root down to `leaf`."""
    rows = {row.id: row for row in Message.objects.filter(conversation=conversation)}
    path: list[Message] = []
    while leaf is not None and leaf in rows:
        path.append(rows[leaf])
        leaf = rows[leaf].parent_id
    return path[::-1]


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
        timing=TimingSeconds(queue_s=run.queue_s, first_token_s=run.first_token_s, total_s=run.total_s, tokens_per_second=run.tokens_per_second),
    )
    return log


def conversation_list(owner: UUID, limit: int = 50) -> list[dict[str, Any]]:
    """The newest conversations of an owner."""
    rows = Conversation.objects.filter(owner_id=owner).order_by("-updated_at")[:limit]
    return [{"id": str(row.id), "title": row.title, "updated_at": row.updated_at.isoformat()} for row in rows]


def conversation_page(owner: UUID, conversation: UUID) -> dict[str, Any] | None:
    """The open branch of one conversation, for a page to start from. None when it is not the owner's."""
    found = Conversation.objects.filter(id=conversation, owner_id=owner).first()
    if found is None:
        return None
    rows = branch(found.id, found.leaf_id)
    siblings: dict[UUID | None, list[str]] = {}
    for sibling, parent in Message.objects.filter(conversation=found).order_by("created_at").values_list("id", "parent_id"):
        siblings.setdefault(parent, []).append(str(sibling))
    newest: dict[UUID, Run] = {run.message_id: run for run in Run.objects.filter(message__in=rows).order_by("created_at")}
    return {
        "id": str(found.id),
        "title": found.title,
        "messages": [_message(row, newest.get(row.id), siblings[row.parent_id]) for row in rows],
    }


def _message(row: Message, run: Run | None, siblings: list[str]) -> dict[str, Any]:
    running = run is not None and run.status != Run.Status.DONE
    return {
        "id": str(row.id),
        "parent": str(row.parent_id) if row.parent_id else None,
        "role": row.role,
        "content": row.content,
        "thinking": row.thinking,
        "created_at": row.created_at.isoformat(),
        "siblings": siblings,
        "run": str(run.id) if run else None,
        "running": running,
        "finish_reason": run.finish_reason if run else "",
        "error": run.error if run else "",
        "model": run.model if run else "",
    }
