"""What has changed for a person, in its order: so that a phone asks for what is new behind a number, and nothing else.

Each person counts the changes of their conversations. Who writes takes the person's turn first (`writing`) and keeps it until the commit: so a
number that can be read has no smaller one still to come, whatever the clock says, however many processes write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from chat import sockets
from chat.models import Change, Owner

BATCH = 500


@contextmanager
def writing(owner: UUID) -> Iterator[None]:
    """A transaction that may `mark`. It takes the turn before it locks anything else: so no two wait for each other.

    SQLite has one writer at a time anyway.
    """
    with transaction.atomic():
        if connection.features.has_select_for_update:
            list(Owner.objects.select_for_update(no_key=True).filter(id=owner).values_list("id"))
        yield


def mark(owner: UUID, *conversations: UUID) -> None:
    """These are not what they were. Inside `writing`."""
    Owner.objects.filter(id=owner).update(changes=F("changes") + len(conversations))
    last = Owner.objects.values_list("changes", flat=True).get(id=owner)
    Change.objects.bulk_create(
        [Change(conversation=one, owner_id=owner, number=last - place) for place, one in enumerate(reversed(conversations))],
        update_conflicts=True,
        unique_fields=["conversation"],
        update_fields=["owner", "number"],
        batch_size=BATCH,
    )


def mark_and_tell(owner: UUID, conversation: UUID) -> None:
    """The open sockets of the person learn of it, too."""
    mark(owner, conversation)
    transaction.on_commit(lambda: sockets.changed(owner, conversation))
