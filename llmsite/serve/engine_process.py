"""`manage.py engine`: the one process with the models, the runs and the calls. It listens nowhere: web processes reach it through Redis."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from typing import Any, NoReturn

from llmsite import database_use
from llmsite.config import Config
from llmsite.database_use import InUse
from llmsite.secret import make_only_private_files
from llmsite.serve import console, needs
from llmsite.serve.exits import Exit, Stopped, explain
from llmsite.serve.parent import end_with_parent
from llmsite.serve.screen import model_line, why_slow
from llmsite.serve.server import stop_signals
from llmsite.serve.words import say

logger = logging.getLogger(__name__)

SAVE_S = 1.5
LOOK_S = 0.1


def serve_engine(config: Config) -> NoReturn:
    """Serve until stopped, then end the process. What goes wrong is one sentence on the terminal and an exit code."""
    make_only_private_files()
    console.speak_plainly(config.log)
    end_with_parent()
    code = Exit.OK
    try:
        asyncio.run(_serve(config))
    except KeyboardInterrupt:
        code = Exit.OK
    except BaseException as error:
        stopped = explain(error) or Stopped(Exit.BUG, say("bug", error=type(error).__name__, log=config.log))
        console.say_no_more()
        logger.error("The engine process ends: %s", stopped.sentence, exc_info=error)
        print(stopped.sentence, file=sys.stderr, flush=True)
        code = stopped.code
    end_now(code)


def end_now(code: int) -> NoReturn:
    """Without waiting for threads that load or decode."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


async def _serve(config: Config) -> None:
    from chat.cluster.bus import Bus
    from chat.cluster.engine_link import EngineLink
    from chat.cluster.heart import Heart
    from llmsite.runtime import Runtime

    bus = needs.meeting_place(config)
    runtime = Runtime(config)
    id_ = config.process_id or secrets.token_hex(8)
    runtime.heart = Heart(bus, id_, status=lambda: _status(runtime), waiting=_say_waiting, fenced=lambda: end_now(Exit.LOCKED))
    runtime.database_lost = _end_for
    link = EngineLink(Bus(config.redis_url), id_, runs=runtime.runs, calls=runtime.calls, serving=runtime)
    stop = _stop_event()
    runtime.begin()
    try:
        await _until(stop, runtime.stored())
        if not stop.is_set():
            link.start()
            await _until(stop, runtime.ready())
            if not stop.is_set() and not config.supervised:
                print(say("scale.engine_ready"), file=sys.stderr, flush=True)
        await stop.wait()
    except Exception:
        raise runtime.error or RuntimeError("the model could not be loaded, and nobody said why") from None
    finally:
        await _end(runtime, link)


async def _end(runtime: Any, link: Any) -> None:
    """The answers are saved, the web processes hear of it, then the lock is free."""
    try:
        async with asyncio.timeout(SAVE_S):
            await asyncio.gather(runtime.runs.shutdown(), runtime.calls.shutdown())
            await link.stop()
    except TimeoutError:
        logger.warning("not everything could be said at the end; what is stored is complete up to the last flush")
    await asyncio.to_thread(runtime.heart.release)
    await asyncio.to_thread(database_use.let_go)
    try:
        async with asyncio.timeout(SAVE_S):
            await runtime.shutdown()
    except TimeoutError:
        logger.warning("the models did not end in time")


def _stop_event() -> asyncio.Event:
    """Set by the first polite signal; the second ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            end_now(Exit.AT_ONCE)
        stop.set()

    for number in stop_signals():
        loop.add_signal_handler(signal.Signals(number), asked)
    return stop


async def _until(stop: asyncio.Event, work: Any) -> None:
    """Until the work is done, or the process is to end. Raises what the work raises."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for one in (task, stopped):
            one.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)


def _end_for(error: InUse) -> None:
    """Another engine process has begun to write to the database: not one answer more may be made final here."""
    stopped = explain(error)
    assert stopped is not None
    print(stopped.sentence, file=sys.stderr, flush=True)
    end_now(stopped.code)


def _say_waiting() -> None:
    print(say("scale.engine_waits"), file=sys.stderr, flush=True)


def _status(runtime: Any) -> dict[str, Any]:
    """What web processes know of this one without asking; from any thread."""
    engine, progress = runtime.engine, runtime.progress
    return {
        "state": runtime.state,
        "step": progress.step,
        "fraction": progress.fraction,
        "computer": runtime.computer,
        "began_at": runtime.began_at,
        "default_model": runtime.default_model,
        "line": model_line(engine.info) if engine is not None else "",
        "slow": why_slow(engine.info) if engine is not None else "",
    }
