"""What is stored of the calls of /v1/. Synchronous, each write atomic, like services.py.

Of a call that was not to be stored, the figures: who called, which model, how many tokens, how long, how it ended. Of one that was, a conversation
of its person with its whole audit, which the chat shows like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from chat import changes, search, services
from chat.models import Conversation, Device, Message, Run
from chat.runlog import Piece
from chat.titles import title_of
from inference.errors import EngineError
from inference.types import ChatMessage


def begin(*, device: Device, model: str, options: Mapping[str, Any]) -> Run:
    """A call that is not stored."""
    return Run.objects.create(device=device, model=model, options=options)


def begin_stored(*, device: Device, model: str, options: Mapping[str, Any], messages: Sequence[ChatMessage]) -> Run:
    """A new conversation of what was sent, its last message asked just now, and the run that answers it."""
    with changes.writing(device.owner_id):
        place = Conversation.objects.create(owner_id=device.owner_id, title=title_of(messages[-1].content), model=model)
        last: Message | None = None
        for message in messages:
            last = Message.objects.create(
                conversation=place,
                parent=last,
                role=message.role,
                content=message.content,
                thinking=message.thinking,
                device=device if message.role == "user" else None,
            )
            search.index(last)
        answer = Message.objects.create(conversation=place, parent=last, role=Message.Role.ASSISTANT)
        run = Run.objects.create(message=answer, device=device, model=model, options=options)
        Conversation.objects.filter(id=place.id).update(leaf=answer)
        changes.mark(device.owner_id, place.id)
        return run


def embedded(*, device: Device, model: str, options: Mapping[str, Any], total_s: float, tokens: int = 0, error: EngineError | None = None) -> None:
    """Texts that were turned into vectors: recorded when that is over. Neither is stored."""
    ended = {"finish_reason": Run.FinishReason.STOP} if error is None else {"finish_reason": Run.FinishReason.ERROR, "error_code": error.code}
    now = timezone.now()
    times = {"started_at": now - timedelta(seconds=total_s), "ended_at": now, "total_s": total_s}
    Run.objects.create(
        device=device, model=model, options=options, status=Run.Status.DONE, prompt_tokens=tokens, completion_tokens=0, **times, **ended
    )


def finish(*, run: Run, pieces: list[Piece], finish_reason: str, thinking_s: float | None, **audit: Any) -> None:
    """How it ended. `audit`: columns of models.Run."""
    if run.message_id is not None:
        services.finish_run(run=run.id, pieces=pieces, base_thinking="", base_answer="", finish_reason=finish_reason, thinking_s=thinking_s, **audit)
        return
    # Stop strings are text, too.
    audit["sampling"] = {name: value for name, value in audit.get("sampling", {}).items() if name != "stop"}
    now = timezone.now()
    figures = {"started_at": now} | {name: value for name, value in audit.items() if name != "prompt"}
    Run.objects.filter(id=run.id).update(status=Run.Status.DONE, finish_reason=finish_reason, ended_at=now, **figures)
