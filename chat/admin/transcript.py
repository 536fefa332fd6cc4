"""A conversation as the owner reads it: one branch, in pages, each answer with the audit of its runs.

The tree is read without its texts; texts, runs and prompts only for the messages of the page that is shown. A prompt is shown up to PROMPT_CHARS,
the whole of it on the page of its run: with a long context each of fifty prompts may hold the whole conversation.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Length, Substr
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.filters import device_label
from chat.admin.lists import number, seconds
from chat.admin.names import ending
from chat.models import Conversation, Feedback, Message, Run

PER_PAGE = 50
PROMPT_CHARS = 20_000
FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^\n`]*)\n(.*?)(?:^[ \t]*\1[ \t]*$\n?|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A stretch of a message: text, or the inside of a fenced code block."""

    text: str
    code: bool = False
    language: str = ""


@dataclass(frozen=True)
class Audit:
    """What is known of one run, as (name, value), ready to be shown: what one wants to see at once, and the rest."""

    run: Run
    rows: list[tuple[str, str]]
    more: list[tuple[str, str]]
    prompt: str
    prompt_chars: int

    @property
    def prompt_is_cut(self) -> bool:
        return self.prompt_chars > len(self.prompt)


@dataclass(frozen=True)
class Entry:
    """A message with what belongs to it. `place` of `of`: which of the branches at this point; `before` and `after` are links to the others."""

    message: Message
    device: str
    thought: str
    """The line over the thinking."""
    blocks: list[Block]
    audits: list[Audit]
    feedback: Feedback | None
    place: int
    of: int
    before: str
    after: str
    marked: bool
    """The search found it, or a link names it."""


@dataclass(frozen=True)
class Transcript:
    entries: list[Entry]
    messages: int
    """Of the branch that is shown."""
    all_messages: int
    pages: list[tuple[int, str, bool]]
    """(number, link, whether it is this one); empty when there is only one."""


def transcript(conversation: Conversation, message: UUID | None = None, page: int | None = None) -> Transcript:
    """The branch through `message`, at the page with it; without one the open branch, from its start. `page` counts from 1."""
    tree = _Tree(conversation.id)
    marked = message if message in tree.parent else None
    path = tree.branch(marked or conversation.leaf_id)
    count = max(1, -(-len(path) // PER_PAGE))
    if page is None:
        page = path.index(marked) // PER_PAGE + 1 if marked else 1
    page = min(max(page, 1), count)
    shown = path[(page - 1) * PER_PAGE : page * PER_PAGE]
    through = str(marked or (path[-1] if path else ""))
    pages = [(n, "?" + urlencode({"message": through, "page": n}), n == page) for n in range(1, count + 1)] if count > 1 else []
    return Transcript(_entries(shown, tree, marked), len(path), len(tree.parent), pages)


class _Tree:
    """The messages of a conversation by their ids, oldest first."""

    def __init__(self, conversation: UUID) -> None:
        rows = Message.objects.filter(conversation=conversation).order_by("created_at", "id").values_list("id", "parent_id")
        self.parent: dict[UUID, UUID | None] = dict(rows)
        self.children: dict[UUID | None, list[UUID]] = {}
        for id_, parent in self.parent.items():
            self.children.setdefault(parent, []).append(id_)

    def branch(self, through: UUID | None) -> list[UUID]:
        """From the root through this message, and on by the newest branch to its end."""
        path: list[UUID] = []
        up = through if through in self.parent else None
        while up is not None:
            path.append(up)
            up = self.parent[up]
        path.reverse()
        while below := self.children.get(path[-1] if path else None):
            path.append(below[-1])
        return path


def _entries(ids: list[UUID], tree: _Tree, marked: UUID | None) -> list[Entry]:
    messages = {m.id: m for m in Message.objects.filter(id__in=ids).select_related("device__owner", "feedback")}
    runs: dict[UUID, list[Run]] = {}
    for run in runs_with_prompts(Run.objects.filter(message__in=ids)).order_by("created_at"):
        runs.setdefault(run.message_id, []).append(run)
    return [_entry(messages[id_], runs.get(id_, []), tree, marked) for id_ in ids if id_ in messages]


def _entry(message: Message, runs: list[Run], tree: _Tree, marked: UUID | None) -> Entry:
    beside = tree.children[message.parent_id]
    place = beside.index(message.id)
    return Entry(
        message=message,
        device=device_label(message.device) if message.device else "",
        thought=_thought(message),
        blocks=blocks(message.content),
        audits=[audit(run) for run in runs],
        feedback=getattr(message, "feedback", None),
        place=place + 1,
        of=len(beside),
        before=_link(beside[place - 1]) if place else "",
        after=_link(beside[place + 1]) if place + 1 < len(beside) else "",
        marked=message.id == marked,
    )


def _link(message: UUID) -> str:
    return f"?message={message}#m-{message}"


def blocks(text: str) -> list[Block]:
    """Text and fenced code, in turn. Nothing is marked up: the template escapes both."""
    found: list[Block] = []
    end = 0
    for fence in FENCE.finditer(text):
        found.append(Block(text[end : fence.start()].strip("\n")))
        found.append(Block(fence[3].rstrip("\n"), code=True, language=fence[2].strip()[:40]))
        end = fence.end()
    found.append(Block(text[end:].strip("\n")))
    return [block for block in found if block.code or block.text.strip()]


def runs_with_prompts(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Runs with the beginnings of their prompts only."""
    start = {"prompt_start": Substr("prompt", 1, PROMPT_CHARS), "prompt_chars": Length("prompt")}
    return runs.defer("prompt", "frames").select_related("device__owner").annotate(**start)


def audit(run: Run) -> Audit:
    """Of a run from `runs_with_prompts`."""
    return Audit(run, brief_rows(run), more_rows(run), run.prompt_start, run.prompt_chars)


def brief_rows(run: Run) -> list[tuple[str, str]]:
    return _named(
        (_("model"), run.model or "–"),
        (_("finish reason"), ending(run.status, run.finish_reason)),
        (_("queue wait"), seconds(run.queue_s)),
        (_("first token"), seconds(run.first_token_s)),
        (_("total"), seconds(run.total_s)),
        (_("tokens/s"), number(run.tokens_per_second)),
        (_("tokens"), f"{number(run.prompt_tokens)} + {number(run.completion_tokens)} / {number(run.context_limit)}"),
        (_("sampling"), _pairs(run.sampling)),
        (_("seed"), number(run.seed)),
    )


def more_rows(run: Run) -> list[tuple[str, str]]:
    return _named(
        (_("prompt tokens"), number(run.prompt_tokens)),
        (_("completion tokens"), number(run.completion_tokens)),
        (_("context limit"), number(run.context_limit)),
        (_("messages dropped"), str(run.dropped_messages)),
        (_("asked for"), _pairs(run.options)),
        (_("continues at character"), str(run.base_answer or run.base_thinking or "")),
        (_("device"), device_label(run.device) if run.device else ""),
        (_("asked"), moment(run.created_at)),
        (_("started"), moment(run.started_at)),
        (_("ended"), moment(run.ended_at)),
        (_("error code"), run.error_code),
        (_("template hash"), run.template_hash),
    )


def _named(*rows: tuple[Any, str]) -> list[tuple[str, str]]:
    return [(str(name), value) for name, value in rows if value]


def moment(when: Any) -> str:
    return timezone.localtime(when).strftime("%Y-%m-%d %H:%M:%S") if when else ""


def _pairs(values: dict[str, Any]) -> str:
    return " · ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in values.items() if value is not None)


def _thought(message: Message) -> str:
    if message.thinking_s is None:
        return gettext("Thinking")
    return gettext("Thought for %(time)s") % {"time": seconds(message.thinking_s)}
