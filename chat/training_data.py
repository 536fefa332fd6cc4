"""Stored conversations in the forms that models are trained on: {"messages"} for fine-tuning, {"chosen", "rejected"} for preferences.

Only what its people have not deleted. Fine-tuning gets the open branch of each conversation, up to the last answer that is whole and was not
rated down; preferences come from questions with one answer rated up and another rated down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from chat.masking import introduced, mask
from chat.models import Conversation, Device, Feedback, Message, Owner, Run

Turn = dict[str, str]


def records(form: str, *, masked: bool = False, rated_only: bool = False, names: frozenset[str] = frozenset()) -> Iterator[dict[str, list[Turn]]]:
    """All conversations, the oldest first.

    Args:
        form: "sft" or "dpo".
        masked: take names and numbers out (masking.py says what that covers).
        rated_only: sft: only conversations with an answer that was rated up.
        names: further names to take out.
    """
    known = names | _known_names() if masked else frozenset()
    for conversation in Conversation.objects.filter(deleted_at=None).select_related("persona").order_by("created_at", "id").iterator():
        tree = _Tree(conversation)
        found = tree.pairs() if form == "dpo" else tree.chat(rated_only)
        if masked:
            here = known | introduced(turn.content for turn in tree.rows.values())
            found = [_masked(record, here) for record in found]
        yield from found


def _known_names() -> frozenset[str]:
    return frozenset(Owner.objects.exclude(name="").values_list("name", flat=True)) | frozenset(
        Device.objects.exclude(name="").values_list("name", flat=True)
    )


def _masked(record: dict[str, list[Turn]], names: frozenset[str] | set[str]) -> dict[str, list[Turn]]:
    return {
        side: [{key: value if key == "role" else mask(value, names) for key, value in turn.items()} for turn in turns]
        for side, turns in record.items()
    }


class _Tree:
    """One conversation's messages, with what people thought of the answers."""

    def __init__(self, conversation: Conversation) -> None:
        self.rows: dict[UUID, Message] = {row.id: row for row in conversation.messages.order_by("created_at", "id")}
        self._leaf = conversation.leaf_id
        self._persona = conversation.persona.system_prompt if conversation.persona else ""
        self._ratings = dict(Feedback.objects.filter(message__conversation=conversation).values_list("message_id", "rating"))
        # An answer is whole when its last run came to its own end.
        last_ends = Run.objects.filter(message__conversation=conversation).order_by("created_at", "id").values_list("message_id", "finish_reason")
        self._whole = {message for message, end in dict(last_ends).items() if end == Run.FinishReason.STOP}

    def _good(self, row: Message) -> bool:
        return row.id in self._whole and bool(row.content.strip()) and self._ratings.get(row.id) != Feedback.Rating.DOWN

    def branch(self, leaf: UUID | None) -> list[Message]:
        """From the first message to `leaf`."""
        found: list[Message] = []
        while leaf is not None and leaf in self.rows:
            found.append(self.rows[leaf])
            leaf = self.rows[leaf].parent_id
        return found[::-1]

    def chat(self, rated_only: bool) -> list[dict[str, list[Turn]]]:
        """The open branch up to its first answer that is not good; nothing when that leaves no answer."""
        kept: list[Message] = []
        waiting: list[Message] = []
        for row in self.branch(self._leaf):
            waiting.append(row)
            if row.role != Message.Role.ASSISTANT:
                continue
            if not self._good(row):
                break
            kept, waiting = kept + waiting, []
        rated = any(self._ratings.get(row.id) == Feedback.Rating.UP for row in kept)
        return [{"messages": self._turns(kept)}] if kept and (rated or not rated_only) else []

    def pairs(self) -> list[dict[str, list[Turn]]]:
        """Each answer rated up with each answer to the same question that was rated down."""
        answers: dict[UUID | None, dict[int, list[Message]]] = defaultdict(lambda: defaultdict(list))
        for row in self.rows.values():
            if row.role == Message.Role.ASSISTANT and row.content.strip() and row.id in self._ratings:
                answers[row.parent_id][self._ratings[row.id]].append(row)
        return [
            {"chosen": self._turns(self.branch(better.id)), "rejected": self._turns(self.branch(worse.id))}
            for rated in answers.values()
            for better in rated[Feedback.Rating.UP]
            for worse in rated[Feedback.Rating.DOWN]
        ]

    def _turns(self, rows: list[Message]) -> list[Turn]:
        """As chat templates take them: the newest system prompt first, then questions and answers."""
        system = next((row.content for row in reversed(rows) if row.role == Message.Role.SYSTEM), self._persona)
        turns: list[dict[str, Any]] = [{"role": "system", "content": system}] if system.strip() else []
        for row in rows:
            if row.role != Message.Role.SYSTEM:
                turns.append({"role": row.role, "content": row.content} | ({"reasoning_content": row.thinking} if row.thinking else {}))
        return turns
