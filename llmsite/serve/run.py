"""`serve`, step by step: port, lock, database, model, and then the server until it is stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from django.contrib.auth import get_user_model

from chat import clients
from llmsite import database_use, lock, network
from llmsite.config import Config
from llmsite.reach import Place
from llmsite.secret import make_only_private_files
from llmsite.serve import console, database, needs
from llmsite.serve.desk import Desk, Pairing
from llmsite.serve.exits import Exit, Stopped, explain
from llmsite.serve.listen import listen
from llmsite.serve.parent import end_with_parent, inherited_sockets
from llmsite.serve.progress import ProgressLine
from llmsite.serve.screen import Screen, model_line, why_slow
from llmsite.serve.server import Server, settings, stop_signals
from llmsite.serve.timings import Timings
from llmsite.serve.words import say

if TYPE_CHECKING:
    from llmsite.runtime import Runtime

logger = logging.getLogger(__name__)


def serve(config: Config, *, timings: bool, qr: bool, workers: int = 0) -> NoReturn:
    """Serve until stopped, then end the process. What goes wrong is one sentence on the terminal and an exit code.

    `workers`: so many web processes and one engine process; 0: this process is the server, or one web process (config.role).
    """
    code = Exit.OK
    make_only_private_files()
    clock = Timings()
    _stop_like_ctrl_c()
    console.speak_plainly(config.log)
    try:
        if workers:
            from llmsite.serve.many import serve_many

            serve_many(config, clock, Screen(qr=qr), workers, timings=timings)
        elif config.role == "web":
            _serve_web(config, clock, Screen(qr=qr))
        else:
            _serve(config, clock, Screen(qr=qr), timings=timings)
    except KeyboardInterrupt:
        code = Exit.OK  # while the model was loading: nothing had begun that could be lost
    except BaseException as error:
        stopped = explain(error) or Stopped(Exit.BUG, say("bug", error=type(error).__name__, log=config.log))
        console.say_no_more()
        logger.error("The server ends: %s", stopped.sentence, exc_info=error)
        print(stopped.sentence, file=sys.stderr)
        code = stopped.code
    _end(config, code)


def _serve(config: Config, clock: Timings, screen: Screen, *, timings: bool) -> None:
    clock.mark("Python and Django")
    sockets = listen(config.host, config.port)
    lock.acquire(config.data)
    database_use.hold("server")
    clock.mark("port and lock")
    migrate()
    clock.mark("database")
    from llmsite import asgi  # builds the engine, so only now: nothing that can be refused quickly waits for it

    runtime = asgi.runtime
    clock.mark("application")
    steps = _load(runtime, config)
    clock.mark("model")
    server = Server(settings(asgi.application, behind_proxy=config.https), on_stop=lambda: _say_stopping(desk))
    place = Place(tuple(s.getsockname()[0] for s in sockets), sockets[0].getsockname()[1])

    def greeting() -> None:
        clock.mark("listening and checking itself")
        engine = runtime.engine
        line, slow = (model_line(engine.info), why_slow(engine.info)) if engine else ("", "")
        greet(screen, config, clock, place.port, line, slow)

    def opened() -> None:
        if timings:
            print(f"\n{clock.table({'model': steps})}", file=sys.stderr, flush=True)

    desk = Desk(runtime.reach, place, screen, None if config.open else pairing(), greeting, opened)
    desk.local_name = lambda: runtime.address_name
    _when_started(server, desk)
    server.run(sockets)
    desk.close()
    if runtime.error is not None:
        raise runtime.error


def _serve_web(config: Config, clock: Timings, screen: Screen) -> None:
    """One web process: of `serve --workers`, with that one's sockets, or a unit of its own."""
    end_with_parent()
    needs.meeting_place(config)
    database_use.hold("web")
    sockets = inherited_sockets() or listen(config.host, config.port)
    from llmsite import asgi

    clock.mark("application")
    server = Server(settings(asgi.application, behind_proxy=config.https), on_stop=console.say_no_more)
    if not config.supervised:
        place = Place(tuple(s.getsockname()[0] for s in sockets), sockets[0].getsockname()[1])
        screen.rows([(say("here"), f"http://{network.reachable(place.hosts[0])}:{place.port}/"), (say("stop"), say("stop_how"))])
    server.run(sockets)
    if asgi.runtime.error is not None:
        raise asgi.runtime.error


def migrate() -> None:
    done, count = database.bring_up_to_date()
    if done == "made":
        print(say("database_made"), file=sys.stderr, flush=True)
    elif done == "updated":
        print(say("database_updated", count=count), file=sys.stderr, flush=True)


def _load(runtime: Runtime, config: Config) -> dict[str, float]:
    """Wait for the model and show how far it is. Returns the seconds of each step; raises what stopped it."""
    began = time.monotonic()
    line = ProgressLine(sys.stderr, say("loading", model=config.model))
    runtime.begin()
    try:
        while runtime.state == "loading":
            line.show(runtime.progress.step, runtime.progress.fraction)
            runtime.wait(0.1)
    finally:
        line.clear()
    if runtime.state == "failed":
        raise runtime.error or RuntimeError("the model could not be loaded, and nobody said why")
    print(say("loaded", model=config.model, seconds=f"{time.monotonic() - began:.1f}"), file=sys.stderr, flush=True)
    return line.taken


def _when_started(server: Server, desk: Desk) -> None:
    """Open the desk once the server takes requests; it asks the server for its own address."""

    def wait() -> None:
        while not server.started and not server.should_exit:
            time.sleep(0.01)
        if not server.should_exit:
            desk.start()

    threading.Thread(target=wait, name="opening", daemon=True).start()


def greet(screen: Screen, config: Config, clock: Timings, port: int, model: str, slow: str) -> None:
    """What comes before the addresses. `model`: its line, "" where it is not known; `slow`: see `why_slow`."""
    screen.line(f"\n{screen.bold(say('ready'))}  {say('after', seconds=f'{clock.total:.1f}')}")
    rows = [
        (say("model"), model),
        *([(say("model"), slow)] if slow else []),
        *([(say("client"), say("client_how", url=f"http://127.0.0.1:{port}{clients.PHONE_CLIENT}"))] if clients.is_served() else []),
        (say("data"), str(config.data)),
        (say("admin"), _admin(port)),
        (say("stop"), say("stop_how")),
    ]
    screen.rows(rows)
    if config.open:
        screen.warn(f"  {say('open_warning')}")


def _admin(port: int) -> str:
    url = f"http://127.0.0.1:{port}/admin/"
    return url if get_user_model().objects.filter(is_superuser=True, is_active=True).exists() else say("admin_none", url=url)


def pairing() -> Pairing:
    from chat import pairing as codes

    def paired(code: str) -> str | None:
        device = codes.code_was_used(code)
        return str(device) if device else None

    return Pairing(codes.new_code, paired)


def _say_stopping(desk: Desk) -> None:
    desk.close()
    console.say_no_more()
    print(f"\n{say('stopping')}", file=sys.stderr, flush=True)


def _stop_like_ctrl_c() -> None:
    """Until the server has its own handlers, every polite way to stop raises KeyboardInterrupt."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in stop_signals():
        signal.signal(number, interrupt)


def _end(config: Config, code: Exit) -> NoReturn:
    """End now. The ordinary way would wait for threads that load or decode, and torch alone takes half a second to go."""
    lock.release(config.data)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
