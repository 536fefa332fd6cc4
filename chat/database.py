"""The one way from async code to the ORM."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")


async def in_database(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in the thread that owns the database connection. Calls are carried out in the order they were made."""
    return cast(T, await database_sync_to_async(function)(*args, **kwargs))
