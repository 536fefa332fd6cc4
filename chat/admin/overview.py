"""What the list says about each conversation beside its own columns: read for all rows of a page together, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Count, Max

from chat.models import Feedback, Message, Run, SearchEntry
from chat.search import Part, matching, snippet

PARAMETERS = 5000
"""How many keys one query names: databases have a limit."""


@dataclass
class Overview:
    messages: int = 0
    devices: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    status: str = ""
    finish_reason: str = ""
    """Of the last run."""
    rating: int = 0
    """The last one."""
    hit: UUID | None = None
    """The first message that the search found here."""
    snippet: list[Part] = field(default_factory=list)


def overviews(conversations: Iterable[UUID], query: str = "") -> dict[UUID, Overview]:
    """Of each of these conversations; with a query also where it was found."""
    ids = list(conversations)
    found = {id_: Overview() for id_ in ids}
    messages = Message.objects.filter(conversation__in=ids)
    for conversation, count in messages.values_list("conversation").annotate(Count("id")):
        found[conversation].messages = count
    for conversation, name in messages.exclude(device=None).values_list("conversation", "device__name").distinct():
        found[conversation].devices.append(name)
    _runs(found, ids)
    for conversation, rating in (
        Feedback.objects.filter(message__conversation__in=ids).order_by("updated_at").values_list("message__conversation", "rating")
    ):
        found[conversation].rating = rating
    if query:
        _hits(found, ids, query)
    return found


def _runs(found: dict[UUID, Overview], ids: list[UUID]) -> None:
    runs = Run.objects.filter(message__conversation__in=ids)
    for conversation, model in runs.exclude(model="").values_list("message__conversation", "model").distinct().order_by("model"):
        found[conversation].models.append(model)
    last = runs.values_list("message__conversation").annotate(Max("created_at"))
    times = {time for _, time in last}
    for conversation, status, reason in Run.objects.filter(created_at__in=times, message__conversation__in=ids).values_list(
        "message__conversation", "status", "finish_reason"
    ):
        found[conversation].status, found[conversation].finish_reason = status, reason


def _hits(found: dict[UUID, Overview], ids: list[UUID], query: str) -> None:
    """The entries of these rows' messages first, then which of them match: the other way round the database would look at every message of the
    record that does. Texts are fetched of one message for each conversation: a word may be in all five hundred of one."""
    entries = SearchEntry.objects.filter(message__conversation__in=ids).order_by("message__created_at")
    places = {entry: (message, conversation) for entry, message, conversation in entries.values_list("id", "message", "message__conversation")}
    firsts: dict[UUID, UUID] = {}
    for some in batched(places, PARAMETERS):
        matched = set(matching(query).filter(search__in=some).values_list("search", flat=True))
        for entry in some:
            if entry in matched:
                message, conversation = places[entry]
                firsts.setdefault(conversation, message)
    for conversation, message, content in Message.objects.filter(id__in=firsts.values()).values_list("conversation", "id", "content"):
        found[conversation].hit, found[conversation].snippet = message, snippet(content, query)


def batched(keys: Iterable[int], size: int) -> Iterator[list[int]]:
    left = list(keys)
    for start in range(0, len(left), size):
        yield left[start : start + size]
