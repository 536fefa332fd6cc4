"""What the tests of the chat page and of the phone client share: Chromium, what no page may do, and what axe-core finds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect, sync_playwright

LIMIT_MS = 30_000
expect.set_options(timeout=LIMIT_MS)

# Without the background flags Chromium asks its maker's hosts at every start, which no test wants.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


@contextmanager
def playwright_and_path() -> Iterator[tuple[Playwright, str]]:
    """For one module at a time, because Playwright's event loop keeps the async tests of others from running."""
    path = chromium()
    if path is None:
        assert not os.environ.get("CI"), "CI must have Chromium: install the package chromium"
        pytest.skip("there is no Chromium here: install the package chromium")
    with sync_playwright() as playwright:
        yield playwright, path


@contextmanager
def launched() -> Iterator[Browser]:
    with playwright_and_path() as (playwright, path):
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


# What Chromium writes itself when the network fails, which is what some tests are about.
NETWORK_FAILS = ("net::ERR_", "WebSocket connection to")


class Guard:
    """Watches contexts. Whatever a test does: no page fails, none writes an error, none asks another host."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.asked: list[str] = []
        """Every address that was asked for, in order."""
        self.expected: list[str] = []
        """What a test provokes: errors that have one of these in them are fine."""

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self.failures.append(f"page error: {error.error}"))
        context.on("request", lambda request: self._asks(request.url))
        context.on("page", self._page)
        for page in context.pages:
            self._page(page)

    def check(self) -> None:
        failures = [failure for failure in self.failures if not any(part in failure for part in self.expected)]
        assert not failures, failures
        elsewhere = [url for url in self.asked if urlsplit(url).hostname != "127.0.0.1"]
        assert not elsewhere, elsewhere

    def _page(self, page: Page) -> None:
        page.on("websocket", lambda socket: self._asks(socket.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.failures.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _asks(self, url: str) -> None:
        if urlsplit(url).hostname:  # data: and blob: are no requests to anybody
            self.asked.append(url)


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or worse, once nothing fades in any more."""
    page.evaluate("Promise.allSettled(document.getAnimations().filter((one) => one.effect.getTiming().iterations === 1).map((one) => one.finished))")
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found if one["impact"] in ("serious", "critical")]
