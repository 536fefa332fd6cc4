"""The tutorial's client in a real browser, from a development server of its own, against ours without pairing."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chat import words
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def development_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(Path(__file__).parent))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield http.server_address[1]
        http.shutdown()


def test_it_works_unchanged(browser: Browser, fresh: Callable[..., Server], development_server: int) -> None:
    server = fresh(LLMSITE_OPEN="1")
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{development_server}/tutorial.html?server={server.address}")
    expect(page).to_have_title("open")
    page.fill("#input", "!say 100")
    page.click("#send")
    expect(page.locator("#current")).to_contain_text("w5 ")
    expect(page.locator("#messages li")).to_have_count(1)
    page.fill("#input", "!think 你好")
    page.click("#send")
    expect(page.locator("#messages li")).to_have_count(2)
    assert page.locator("#messages li").all_text_contents() == [words(100) + " ", "<think>\nhm well \n</think>\n\necho: !think 你好"]
    expect(page.locator("#current")).to_be_empty()
    page.close()


def test_it_comes_back_after_the_server_does(browser: Browser, fresh: Callable[..., Server], development_server: int) -> None:
    server = fresh(LLMSITE_OPEN="1")
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{development_server}/tutorial.html?server={server.address}")
    expect(page).to_have_title("open")
    server.kill()
    page.evaluate("document.title = 'closed'")
    server.start()
    expect(page).to_have_title("open")
    page.fill("#input", "again")
    page.click("#send")
    expect(page.locator("#messages li")).to_have_text(["echo: again"])
    page.close()
