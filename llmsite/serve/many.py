"""`serve --workers N`: one process that serves nobody itself, but keeps N web processes and one engine process alive behind one port."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from llmsite import database_use, lock
from llmsite.config import Config
from llmsite.reach import Place, Reach
from llmsite.serve import needs, run
from llmsite.serve.children import LOOK_S, Child, Children, exit_code
from llmsite.serve.desk import Desk
from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.listen import listen
from llmsite.serve.progress import ProgressLine
from llmsite.serve.screen import Screen
from llmsite.serve.timings import Timings
from llmsite.serve.words import say

if TYPE_CHECKING:
    from chat.cluster.bus import SyncBus

TOLD_AFTER = 3
"""Deaths in a row after which the person is told to look into it."""


def serve_many(config: Config, clock: Timings, screen: Screen, workers: int, *, timings: bool) -> None:
    """Until it is stopped, by KeyboardInterrupt. Raises Stopped where it could not start."""
    clock.mark("Python and Django")
    bus = needs.meeting_place(config)
    sockets = listen(config.host, config.port)
    lock.acquire(config.data)
    database_use.hold("parent")
    clock.mark("port, lock and Redis")
    run.migrate()
    clock.mark("database")
    children = Children(sockets, dict(os.environ), died=lambda child, code, wait_s: _say_died(bus, child, code, wait_s))
    place = Place(tuple(s.getsockname()[0] for s in sockets), sockets[0].getsockname()[1])
    desk: Desk | None = None
    try:
        children.start(workers)
        status = _load(bus, children, config)
        clock.mark("model")
        desk = _desk(config, clock, screen, place, bus, children.instance, status, timings=timings)
        _open_when_served(desk, children)
        while True:
            children.look()
            time.sleep(LOOK_S)
    finally:
        if desk is not None:
            desk.close()
            print(f"\n{say('stopping')}", file=sys.stderr, flush=True)
        _end(children)


def _load(bus: SyncBus, children: Children, config: Config) -> dict[str, Any]:
    """Wait for the model and show how far it is. An engine process that ends before has said why: the server ends with its code."""
    from chat.cluster.bus import BusDown

    began, line = time.monotonic(), ProgressLine(sys.stderr, say("loading", model=config.model))
    engine = children.engine
    try:
        while True:
            assert engine.process is not None
            if (code := engine.process.poll()) is not None:
                raise Stopped(exit_code(code), say("scale.engine_ended", code=code))
            try:
                status = bus.status()
            except BusDown:
                status = {}
            if status.get("engine") == engine.id:
                if status["state"] == "ready":
                    break
                line.show(status["step"], status["fraction"])
            time.sleep(LOOK_S)
    finally:
        line.clear()
    print(say("loaded", model=config.model, seconds=f"{time.monotonic() - began:.1f}"), file=sys.stderr, flush=True)
    return status


def _desk(
    config: Config, clock: Timings, screen: Screen, place: Place, bus: SyncBus, instance: str, status: dict[str, Any], *, timings: bool
) -> Desk:
    def greet() -> None:
        clock.mark("listening and checking itself")
        run.greet(screen, config, clock, place.port, status["line"], status["slow"])

    def opened() -> None:
        if timings:
            print(f"\n{clock.table({})}", file=sys.stderr, flush=True)

    desk = Desk(Reach(instance), place, screen, None if config.open else run.pairing(), greet, opened)
    desk.local_name = lambda: _name(bus)
    return desk


def _name(bus: SyncBus) -> str:
    from chat.cluster.bus import BusDown

    try:
        return bus.name()
    except BusDown:
        return ""


def _open_when_served(desk: Desk, children: Children) -> None:
    """The desk asks the server for its own address, so a web process must serve."""
    from llmsite import network

    def wait() -> None:
        host = network.reachable(desk.place.hosts[0])
        while not network.answers(host, desk.place.port, children.instance):
            time.sleep(LOOK_S)
        desk.start()

    threading.Thread(target=wait, name="opening", daemon=True).start()


def _say_died(bus: SyncBus, child: Child, code: int, wait_s: float) -> None:
    from chat.cluster.bus import BusDown

    if child.kind == "engine":
        with contextlib.suppress(BusDown):
            bus.release(child.id)  # it is dead for certain: the next one need not wait for its lock to lapse
    sentence = say("scale.died", name=child.name, code=code)
    if child.deaths >= TOLD_AFTER:
        sentence = say("scale.dies_again", name=child.name, code=code, times=child.deaths, seconds=f"{wait_s:.0f}")
    print(sentence, file=sys.stderr, flush=True)


def _end(children: Children) -> None:
    try:
        children.end()
    except KeyboardInterrupt:
        children.kill()
        os._exit(Exit.AT_ONCE)
