from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import pytest
import uvicorn

from llmsite.serve import server as server_module
from llmsite.serve.exits import Exit
from llmsite.serve.server import Server, settings, stop_signals


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody asks it")

    return Server(settings(application), on_stop=lambda: None)


def test_a_second_signal_ends_it_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(server_module.os, "_exit", codes.append)
    monkeypatch.setattr(server_module, "END_S", 1000)
    server.handle_exit(signal.SIGINT, None)
    assert server.should_exit
    assert codes == []
    server.handle_exit(signal.SIGINT, None)
    assert codes == [Exit.AT_ONCE]


def test_what_hangs_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server_module.END_S < 2
    cut = threading.Event()
    codes: list[int] = []
    monkeypatch.setattr(server_module.os, "_exit", lambda code: (codes.append(code), cut.set()))
    monkeypatch.setattr(server_module, "END_S", 0.01)
    server.handle_exit(signal.SIGTERM, None)
    assert cut.wait(5)
    assert codes == [Exit.OK]


async def test_answers_are_saved_before_sockets_are_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Lifespan:
        async def shutdown(self) -> None:
            order.append("saved")

    async def uvicorns_own(self: Server, sockets: Any = None) -> None:
        order.append("goodbye")

    server.servers, server.lifespan = [], Lifespan()  # type: ignore[assignment]
    server.on_stop = lambda: order.append("said")
    monkeypatch.setattr(uvicorn.Server, "shutdown", uvicorns_own)
    await server.shutdown()
    assert order == ["said", "saved", "goodbye"]


async def test_a_save_that_hangs_does_not_hold_up_the_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lifespan:
        async def shutdown(self) -> None:
            await asyncio.sleep(60)

    async def uvicorns_own(self: Server, sockets: Any = None) -> None:
        pass

    server.servers, server.lifespan = [], Lifespan()  # type: ignore[assignment]
    monkeypatch.setattr(uvicorn.Server, "shutdown", uvicorns_own)
    monkeypatch.setattr(server_module, "SAVE_S", 0.01)
    await asyncio.wait_for(server.shutdown(), 5)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_nohup_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= set(stop_signals())
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in stop_signals()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_sockets_are_set_up_for_chatting(server: Server) -> None:
    config = server.config
    assert (config.ws_max_size, config.ws_per_message_deflate, config.ws_ping_interval) == (4 << 20, False, 20.0)
    assert not config.server_header
