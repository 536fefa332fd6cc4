"""A task that goes on in a thread with an event loop of its own: an engine belongs to nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Watch:
    """Owns the task from `begin` to `end`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._thread: threading.Thread | None = None

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(work)
        self._thread = threading.Thread(target=self._run, args=(self._loop, self._task), name=self._name, daemon=True)
        self._thread.start()

    async def end(self) -> None:
        """Cancel the task and wait until its thread has ended. Idempotent."""
        loop, task, thread = self._loop, self._task, self._thread
        self._loop = self._task = self._thread = None
        if loop is None or task is None or thread is None:
            return
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(task.cancel)
        await asyncio.to_thread(thread.join)

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        except Exception:
            log.exception("%s ended with an error", threading.current_thread().name)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
