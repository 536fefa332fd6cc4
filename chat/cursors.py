"""Lists page by page: a cursor names the last row that was seen, so that rows that come and go meanwhile repeat nothing and hide nothing."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q


class BadCursor(ValueError):
    """A cursor that was not made here."""


@dataclass(frozen=True)
class Page:
    """`next` is the cursor of what follows; None at the end."""

    items: list[dict[str, Any]]
    next: str | None


@dataclass(frozen=True)
class Place:
    """A row's place in a list: by `group` (0 before 1), then by time, then by id."""

    when: datetime
    id: UUID
    group: int = 0

    def cursor(self) -> str:
        return _packed([self.when.isoformat(), str(self.id), self.group])

    @classmethod
    def of(cls, cursor: str) -> Place:
        """Raises BadCursor."""
        try:
            when, row, group = _unpacked(cursor)
            place = cls(datetime.fromisoformat(when), UUID(row), int(group))
            if place.when.tzinfo is None or place.group not in (0, 1):
                raise ValueError
            place.when.astimezone(UTC)  # a time in the year 1 may be none in UTC
            return place
        except BROKEN as error:
            raise BadCursor(cursor) from error


@dataclass(frozen=True)
class Mark:
    """How far somebody knows the changes of a person: changes.py."""

    owner: UUID
    number: int

    def cursor(self) -> str:
        return _packed([str(self.owner), self.number])

    @classmethod
    def of(cls, cursor: str) -> Mark:
        """Raises BadCursor."""
        try:
            owner, number = _unpacked(cursor)
            if type(number) is not int or not 0 <= number < 2**63:
                raise ValueError
            return cls(UUID(owner), number)
        except BROKEN as error:
            raise BadCursor(cursor) from error


BROKEN = (ValueError, TypeError, AttributeError, OverflowError, binascii.Error, RecursionError)


def _packed(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def _unpacked(cursor: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def behind(field: str, cursor: str | None, *, newest_first: bool) -> Q:
    """The rows that follow `cursor` in a list by `field` and id."""
    if not cursor:
        return Q()
    place = Place.of(cursor)
    sign = "lt" if newest_first else "gt"
    return Q(**{f"{field}__{sign}": place.when}) | Q(**{field: place.when, f"id__{sign}": place.id})
