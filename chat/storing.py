"""Messages that come together are stored together: one turn at the database, one commit, one wait for the disk for all of them.

Storing a message and reading what the model will get are one step, so that a model never waits for the database twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import DatabaseError, transaction

from chat import selectors
from chat.database import in_database
from chat.selectors import ModelInput
from chat.services import NewRun

MOST = 32
"""So many are stored at once, at most: the first of them waits for the last."""

T = TypeVar("T")
Write = Callable[[], NewRun]


@dataclass
class _Waiting(Generic[T]):
    write: Write
    begin: Callable[[NewRun, ModelInput], T]
    done: asyncio.Future[T]

    def settle(self, result: tuple[NewRun, ModelInput] | Exception) -> None:
        if not isinstance(result, Exception):
            begun = self.begin(*result)
            if not self.done.done():
                self.done.set_result(begun)
        elif not self.done.done():
            self.done.set_exception(result)


class Storing(Generic[T]):
    def __init__(self, system_prompt: str) -> None:
        self._system_prompt = system_prompt
        self._waiting: list[_Waiting[T]] = []
        self._task: asyncio.Task[None] | None = None

    async def store(self, write: Write, begin: Callable[[NewRun, ModelInput], T]) -> T:
        """Carry out `write`, then `begin` with what it made: that, too, when the caller is cancelled, for then it is stored already.

        Raises what `write` raises.
        """
        waiting: _Waiting[T] = _Waiting(write, begin, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._store_all(), name="storing")
        return await waiting.done

    async def finish(self) -> None:
        """Until nothing waits."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _store_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            results: list[tuple[NewRun, ModelInput] | Exception]
            try:
                results = await in_database(_store_together, [waiting.write for waiting in batch], self._system_prompt)
            except Exception as error:
                results = [error] * len(batch)
            for waiting, result in zip(batch, results, strict=True):
                waiting.settle(result)


def _store_together(writes: list[Write], system_prompt: str) -> list[tuple[NewRun, ModelInput] | Exception]:
    """Each write is a transaction inside this one: what it raises undoes it alone. What else goes wrong undoes all, and nobody is told otherwise."""
    results: list[tuple[NewRun, ModelInput] | Exception] = []
    with transaction.atomic():
        for write in writes:
            try:
                new = write()
            except Exception as error:
                results.append(error)
            else:
                results.append((new, selectors.model_input(new.row, system_prompt)))
        if transaction.get_rollback():
            raise DatabaseError("a message could not be taken back alone, so none of them is stored")
    return results
