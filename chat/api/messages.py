"""One message, and what its person thinks of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status

from chat import keeping, selectors, services
from chat.api.answers import READ, WRITE, answers
from chat.api.schemas import Message, Rating

router = Router(tags=["messages"])


@router.get("/messages/{message}", response=answers(Message, *READ))
def read_message(request: HttpRequest, message: UUID) -> Any:
    return _found(selectors.message(request.auth.owner, message))


@router.put("/messages/{message}/feedback", response=answers(Message, *WRITE))
def rate_message(request: HttpRequest, message: UUID, body: Rating) -> Any:
    """Thumbs up or down for an answer. Again: the new one holds."""
    keeping.rate(device=request.auth.device, message=message, rating=body.rating, comment=body.comment)
    return _found(selectors.message(request.auth.owner, message))


@router.delete("/messages/{message}/feedback", response=answers(None, *WRITE, status=204))
def unrate_message(request: HttpRequest, message: UUID) -> Any:
    """Take the thumb back."""
    keeping.unrate(device=request.auth.device, message=message)
    return Status(204, None)


def _found(value: Any) -> Any:
    if value is None:
        raise services.Refused("no_message")
    return value
