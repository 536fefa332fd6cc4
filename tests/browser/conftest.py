"""A real Chromium on a real server process with the fake engine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.chat import Chat
from tests.chromium import launched
from tests.end_to_end.server import Server

OpenPage = Callable[..., Chat]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="llmsite-browser-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One for the tests of a module; each test has conversations of its own."""
    running = Server("uvicorn", folder / "shared").start()
    try:
        yield running
        running.check_log()
    finally:
        running.kill()


@pytest.fixture
def fresh(folder: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers that a test has for itself, started."""
    made: list[Server] = []

    def make(**environment: str) -> Server:
        server = Server("uvicorn", Path(tempfile.mkdtemp(dir=folder)), environment=environment)
        made.append(server)
        return server.start()

    try:
        yield make
        for server in made:
            server.check_log()
    finally:
        for server in made:
            server.kill()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(port)` is a person's browser at the chat page. Whatever a test does: no page fails, and none asks another host."""
    contexts: list[BrowserContext] = []
    failures: list[str] = []
    asked: set[str] = set()

    def open_(port: int, path: str = "/", *, within: BrowserContext | None = None, **options: Any) -> Chat:
        context = within or browser.new_context(**{"locale": "en", "viewport": {"width": 1000, "height": 700}, **options})
        if within is None:
            contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda message: failures.append(message.text) if "Content Security Policy" in message.text else None)
        page.on("request", lambda request: asked.add(request.url.split("/")[2]))
        page.on("websocket", lambda socket: asked.add(socket.url.split("/")[2]))
        chat = Chat(page, f"http://127.0.0.1:{port}")
        chat.open(path)
        return chat

    yield open_
    for context in contexts:
        context.close()
    assert failures == []
    assert {host.split(":")[0] for host in asked} == {"127.0.0.1"}, asked
