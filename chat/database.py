"""The one way from async code to the ORM."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")


class Ending(Exception):
    """The process ends, and its threads take nothing more, though the event loop still runs."""


async def in_database(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in the thread that owns the database connection. Calls are carried out in the order they were made. Raises Ending."""
    try:
        return cast(T, await database_sync_to_async(function)(*args, **kwargs))
    except RuntimeError as error:
        # The interpreter closes its pools before anything else, also where the event loop has a thread of its own, as under runserver.
        if "cannot schedule new futures" in str(error):
            raise Ending from error
        raise
