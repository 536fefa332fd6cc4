"""The H5 build in a real Chromium as a phone has it, on real server processes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.chromium import FLAGS, LIMIT_MS, Guard, playwright_and_path
from tests.end_to_end.phones import STRANGER
from tests.end_to_end.server import Server
from tests.phone.build import built_h5
from tests.phone.phone import SCREEN, Phone

OpenPhone = Callable[..., Phone]
OpenBrowser = Callable[..., Page]
FreshServer = Callable[..., Server]


@pytest.fixture(scope="session")
def h5() -> Path:
    """The folder of the client as it is built from the sources that are there."""
    return built_h5()


@pytest.fixture(scope="module")
def chromium() -> Iterator[tuple[Playwright, str]]:
    with playwright_and_path() as both:
        yield both


@pytest.fixture(scope="module")
def browser(chromium: tuple[Playwright, str]) -> Iterator[Browser]:
    playwright, path = chromium
    launched = playwright.chromium.launch(executable_path=path, args=FLAGS)
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="llmsite-phone-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def _serving(h5: Path, data: Path, **more: Any) -> Server:
    environment = {"LLMSITE_PHONE_CLIENT": str(h5)} | more.pop("environment", {})
    return Server("uvicorn", data, environment=environment, **more)


@pytest.fixture(scope="module")
def phone_server(h5: Path, folder: Path) -> Iterator[Server]:
    """With the fake engine, one for the tests of a module; each test has conversations of its own."""
    running = _serving(h5, folder / "shared").start()
    try:
        yield running
        running.check_log()
    finally:
        running.kill()


@pytest.fixture(scope="module")
def embedded_server(h5: Path, folder: Path) -> Iterator[Server]:
    """With the model that comes along, decoded by torch: in C an answer is over before anybody can stop it."""
    running = _serving(h5, folder / "embedded", model="micromind", environment={"LLMSITE_NATIVE": "0"}).start()
    try:
        yield running
        running.check_log()
    finally:
        running.kill()


@pytest.fixture
def fresh(h5: Path, folder: Path) -> Iterator[FreshServer]:
    """Makes servers that a test has for itself, started: it may kill them. Keyword arguments are settings (LLMSITE_…)."""
    made: list[Server] = []

    def make(model: str = "fake", **environment: str) -> Server:
        server = _serving(h5, Path(tempfile.mkdtemp(dir=folder)), model=model, environment=environment)
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
def guard() -> Iterator[Guard]:
    """Whatever a test does: no page fails or writes an error, none asks another host. What a test provokes it adds to `guard.expected`."""
    made = Guard()
    yield made
    made.check()


@pytest.fixture
def open_browser(browser: Browser, guard: Guard) -> Iterator[OpenBrowser]:
    """A page of a browser of its own, with nothing opened: this computer's, or with `stranger=True` somebody else's phone, which is not paired."""
    contexts: list[BrowserContext] = []

    def open_(*, stranger: bool = False, **options: Any) -> Page:
        context = browser.new_context(**{"locale": "en", **SCREEN, **options})
        contexts.append(context)
        if stranger:
            context.set_extra_http_headers(STRANGER)
        guard.watch(context)
        page = context.new_page()
        page.set_default_timeout(LIMIT_MS)
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def open_phone(open_browser: OpenBrowser) -> OpenPhone:
    """`open_phone(port)`: the client at /m/ on a phone's screen, in this computer's own browser, so that it needs no pairing.

    Options are a browser context's: `locale="zh-CN"`, `color_scheme="dark"`, `viewport=…`. `within` another phone: a second page of its browser.
    """

    def open_(port: int, path: str = "/m/", *, within: Phone | None = None, **options: Any) -> Phone:
        page = within.page.context.new_page() if within else open_browser(**options)
        return Phone(page, f"http://127.0.0.1:{port}", options.get("locale", "en")).open(path)

    return open_
