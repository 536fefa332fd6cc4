"""The API's documentation page, in a real Chromium, under the content policy and with no other host asked."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]


def test_it_lists_the_operations_and_tries_one(server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    failures: list[str] = []
    asked: set[str] = set()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.add(request.url.split("/")[2]) if not request.url.startswith("data:") else None)
    page.goto(f"{server.http}/api/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("llmsite")
    expect(page.locator(".opblock")).to_have_count(24)
    page.locator("#operations-devices-read_me .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator("#operations-devices-read_me .live-responses-table")).to_contain_text('"host": true')
    page.close()
    assert failures == []
    assert asked == {server.address}
