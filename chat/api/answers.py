"""Which answers an operation has, for its schema."""

from __future__ import annotations

from typing import Any

from chat.api.schemas import Error

ANYWHERE = (401, 403, 422, 429, 500, 503)
"""Not paired; a page elsewhere; a value that is none; too many requests; what nobody foresaw; the server starts or ends."""


def answers(success: Any, *refusals: int, status: int = 200) -> dict[Any, Any]:
    """`success` and the refusals that it may have beside those that every operation has."""
    return {status: success, frozenset({*ANYWHERE, *refusals}): Error}


READ = (400, 404)
WRITE = (400, 404, 409, 413, 415)
