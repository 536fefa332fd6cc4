"""The admin in a real Chromium, on the real server: what the owner does there, and how it looks to the rules of accessibility."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from websockets.sync.client import connect

from tests.end_to_end.server import ROOT, Server

pytestmark = [pytest.mark.browser, pytest.mark.process]
LIMIT_S = 60
PASSWORD = "a-long-password"
OpenAdmin = Callable[..., Page]


def say(server: Server, **frame: Any) -> dict[str, Any]:
    """Send a frame as the computer's own browser would, wait for the answer's end, and return its start."""
    with connect(f"ws://{server.address}/ws/chat/?v=1", proxy=None, open_timeout=LIMIT_S) as socket:
        socket.send(json.dumps(frame))
        start: dict[str, Any] = {}
        while True:
            heard = json.loads(socket.recv(LIMIT_S))
            assert heard["type"] != "error", heard
            start = heard if heard["type"] == "start" else start
            if heard["type"] == "end":
                return start


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """With a model that two servers have; nobody asks them."""
    running = Server("uvicorn", folder / "admin")
    running.data.mkdir(parents=True)
    tables = "".join(f'[[models.big.backends]]\nname = "{name}"\nbase_url = "http://{name}.example:9/v1"\n' for name in ("left", "right"))
    (running.data / "llmsite.toml").write_text(f'[models.big]\nengine = "openai"\nmodel = "m"\n{tables}', encoding="utf-8")
    try:
        yield running.start()
        running.check_log()
    finally:
        running.kill()


@pytest.fixture(scope="module")
def superuser(server: Server) -> str:
    environment = {**os.environ, **server.environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", "owner", "--email", "owner@example.org"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=120)
    return "owner"


@pytest.fixture
def open_admin(browser: Browser, server: Server, superuser: str) -> Iterator[OpenAdmin]:
    """`open_admin(path)` is the owner's browser, logged in. No page fails, breaks the policy, or asks another host."""
    contexts, failures = [], []

    def open_(path: str = "/admin/", **options: Any) -> Page:
        context = browser.new_context(**{"locale": "en", "viewport": {"width": 1280, "height": 900}, "accept_downloads": True, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("console", lambda message: failures.append(message.text) if "Content Security Policy" in message.text else None)
        page.on("request", lambda request: failures.append(request.url) if request.url.split("/")[2] != server.address else None)
        page.goto(f"{server.http}/admin/login/?next={path}")
        page.fill("#id_username", superuser)
        page.fill("#id_password", PASSWORD)
        page.click("[type=submit]")
        page.wait_for_url(f"{server.http}{path}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert failures == []


def test_the_owner_reads_what_was_said(server: Server, open_admin: OpenAdmin) -> None:
    first = say(server, message="!say 12 飞艇在哪里")
    say(server, type="regenerate", message=first["message"])
    page = open_admin("/admin/chat/conversation/")
    page.fill("#searchbar", "飞艇")
    page.press("#searchbar", "Enter")
    hit = page.locator("a.hit").first
    expect(hit.locator("mark")).to_have_text("飞艇")
    hit.click()
    expect(page.locator(".message.user .prose")).to_have_text("!say 12 飞艇在哪里")
    expect(page.locator(".message.assistant .branches")).to_contain_text("2/2")
    page.get_by_label("branch before").click()
    expect(page.locator(".message.assistant .branches")).to_contain_text("1/2")
    expect(page.locator(".message.assistant .prose")).to_contain_text("w0 w1")
    audit = page.locator(".message.assistant aside")
    expect(audit).to_contain_text("fake")
    audit.locator("summary", has_text="Prompt").click()
    expect(audit.locator("pre.prompt")).to_contain_text("飞艇在哪里")
    assert audit.bounding_box()["x"] > page.locator(".message.assistant .said").bounding_box()["x"]  # type: ignore[index]


def test_a_selection_comes_as_a_file(server: Server, open_admin: OpenAdmin) -> None:
    say(server, message="!say 3 export me")
    page = open_admin("/admin/chat/conversation/?q=export")
    page.check(".action-select >> nth=0")
    page.select_option("select[name=action]", "export")
    with page.expect_download() as started:
        page.click("button[name=index]")
    assert started.value.suggested_filename.endswith(".jsonl")
    [line] = started.value.path().read_text(encoding="utf-8").splitlines()
    assert [message["content"] for message in json.loads(line)["messages"]] == ["!say 3 export me", "w0 w1 w2 "]


def test_the_plots_are_drawn_and_told_in_tables(server: Server, open_admin: OpenAdmin) -> None:
    say(server, message="!say 5")
    page = open_admin("/admin/statistics/?range=24h")
    expect(page.locator(".plot canvas").first).to_be_visible()
    assert page.locator(".plot canvas").count() == page.locator("figure").count() >= 4
    told = " ".join(page.locator(".servers tbody tr").first.text_content().split())  # type: ignore[union-attr]
    assert told == "big, lefthttp://left.example:9/v1 was not asked yet – –"
    drawn = "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; return d.some((v, i) => i % 4 === 3 && v > 0); }"
    assert page.locator(".plot canvas").first.evaluate(drawn)
    page.locator("figure").first.locator("summary").click()
    expect(page.locator("figure").first.locator("tbody tr").first).to_be_visible()
    page.locator(".theme-toggle").first.click()
    expect(page.locator(".plot canvas").first).to_be_visible()


def test_the_transcript_and_the_tables_need_no_script(server: Server, open_admin: OpenAdmin) -> None:
    say(server, message="!say 4 plain")
    page = open_admin("/admin/chat/conversation/?q=plain", java_script_enabled=False)
    page.locator("a.hit").first.click()
    assert "!say 4 plain" in (page.locator(".message.user").text_content() or "")
    page.goto(f"{server.http}/admin/statistics/")
    assert page.locator("figure table tbody tr").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("locale", "width"), [("en", 1280), ("zh-CN", 390)])
def test_nothing_serious_stands_in_anybodys_way(server: Server, open_admin: OpenAdmin, locale: str, width: int, scheme: str) -> None:
    conversation = say(server, message="!think 2")["conversation"]
    # axe itself writes styles into the page, which our policy forbids.
    size = {"width": width, "height": 844}
    page = open_admin("/admin/chat/conversation/", locale=locale, color_scheme=scheme, viewport=size, bypass_csp=True)
    serious: list[str] = []
    for path in (f"/admin/chat/conversation/{conversation}/change/", "/admin/statistics/?range=24h"):
        page.goto(server.http + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        for violation in Axe().run(page, context={"include": [[".transcript, .statistics"]]}).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                serious.append(f"{path} {violation['id']}: {[node['target'] for node in violation['nodes']][:3]}")
    assert serious == []
