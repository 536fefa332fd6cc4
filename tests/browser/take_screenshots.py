"""The pictures of README.md and docs/screenshots/, from a real server with the embedded model: `python -m tests.browser.take_screenshots`.

The server has a data folder of its own, which holds what the pictures show and is thrown away.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chat import Chat
from tests.chromium import FLAGS, chromium
from tests.end_to_end.server import ROOT, Server
from tests.talks import RICH, imported

DOCS = ROOT / "docs"
DESKTOP = {"viewport": {"width": 1120, "height": 720}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
ADMIN = {"width": 1400, "height": 800}
LOOKS = [("en", "light"), ("en", "dark"), ("zh-CN", "light"), ("zh-CN", "dark")]
SAID = {"en": ["Hello, who are you?", "How do I load a bigger model?"], "zh-CN": ["你好，你是谁？", "手机怎么连接？"]}
FRAME = """<style>body{margin:0;padding:24px;display:flex;flex-wrap:wrap;align-items:flex-start;gap:24px;background:#d5dae6}
img{flex:none;border-radius:12px;box-shadow:0 4px 24px #0003}</style>"""
OWNER = ("owner", "a-password-for-pictures")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="llmsite-pictures-") as folder, sync_playwright() as playwright:
        server = Server("uvicorn", Path(folder), model="micromind")
        _make_owner(server)
        server.start()
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            imported(server, "Quadratic equations", [("How do I solve a quadratic equation?", RICH)])
            for name, images, width in _pictures(browser, server):
                _montage(browser, name, images, width)
        finally:
            browser.close()
            server.kill()


def _pictures(browser: Browser, server: Server) -> Iterator[tuple[str, list[bytes], int]]:
    """(file in docs/, what it shows side by side, its width)"""
    phones = [_chat(browser, server, PHONE, *look) for look in LOOKS]
    desktops = [_chat(browser, server, DESKTOP, *look) for look in LOOKS]
    yield "screenshot.png", [desktops[0], phones[3]], 1120 + 390 + 3 * 24
    yield "screenshots/phone.png", phones, 4 * 390 + 5 * 24
    yield "screenshots/desktop.png", desktops, 2 * 1120 + 3 * 24
    yield "screenshots/answers.png", [_rich(browser, server, size, scheme) for size, scheme in ((DESKTOP, "light"), (PHONE, "dark"))], 1582
    yield "screenshots/list.png", [_list(browser, server, *look) for look in LOOKS], 4 * 390 + 5 * 24
    yield "screenshots/settings.png", [_settings(browser, server, *look) for look in LOOKS], 4 * 390 + 5 * 24
    yield "screenshots/pairing.png", [_pair(browser, server, *look) for look in (LOOKS[0], LOOKS[3])], 2 * 1120 + 3 * 24
    yield "screenshots/admin.png", list(_admin(browser, server)), 2 * ADMIN["width"] + 3 * 24


def _open(browser: Browser, server: Server, size: dict[str, Any], locale: str, scheme: str) -> Chat:
    chat = Chat(browser.new_context(**size, locale=locale, color_scheme=scheme).new_page(), server.http)  # type: ignore[arg-type]
    chat.open()
    return chat


def _done(page: Page) -> bytes:
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(400)  # what moves has come to rest
    image = page.screenshot()
    page.context.close()
    return image


def _chat(browser: Browser, server: Server, size: dict[str, Any], locale: str, scheme: str) -> bytes:
    """A short conversation, as a person sees it."""
    chat = _open(browser, server, size, locale, scheme)
    for text in SAID[locale]:
        chat.ask(text)
    return _done(chat.page)


def _rich(browser: Browser, server: Server, size: dict[str, Any], scheme: str) -> bytes:
    """What Markdown can be. The embedded model cannot write this; it was imported."""
    chat = _open(browser, server, size, "en", scheme)
    found = json.load(urllib.request.urlopen(f"{server.http}/api/conversations?q=Quadratic"))["items"][0]["id"]
    chat.open(f"/?c={found}")
    chat.page.locator(".katex").first.wait_for()
    return _done(chat.page)


def _list(browser: Browser, server: Server, locale: str, scheme: str) -> bytes:
    chat = _open(browser, server, PHONE, locale, scheme)
    chat.page.locator("#menu").tap()
    return _done(chat.page)


def _settings(browser: Browser, server: Server, locale: str, scheme: str) -> bytes:
    chat = _open(browser, server, PHONE, locale, scheme)
    chat.page.locator("#open-settings").tap()
    chat.page.locator("dialog[open]").wait_for()
    return _done(chat.page)


def _pair(browser: Browser, server: Server, locale: str, scheme: str) -> bytes:
    page = browser.new_context(**DESKTOP, locale=locale, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.goto(f"{server.http}/pair/?address=192.168.137.1:8000")
    return _done(page)


def _admin(browser: Browser, server: Server) -> Iterator[bytes]:
    page = browser.new_context(viewport=ADMIN, locale="en", color_scheme="light").new_page()  # type: ignore[arg-type]
    page.goto(f"{server.http}/admin/")
    page.get_by_label("Username").fill(OWNER[0])
    page.get_by_label("Password").fill(OWNER[1])
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{server.http}/admin/chat/conversation/")
    yield page.screenshot()
    page.locator("#result_list a", has_text="Hello").first.click()
    page.wait_for_load_state()
    yield page.screenshot()
    page.goto(f"{server.http}/admin/statistics/")
    page.wait_for_timeout(500)
    yield page.screenshot()
    page.emulate_media(color_scheme="dark")
    page.goto(f"{server.http}/admin/chat/conversation/?q=model")
    yield page.screenshot()
    page.context.close()


def _montage(browser: Browser, name: str, images: list[bytes], width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 200})
    page.set_content(FRAME + "".join(f'<img src="data:image/png;base64,{base64.b64encode(image).decode()}">' for image in images))
    (DOCS / name).parent.mkdir(exist_ok=True)
    page.screenshot(path=DOCS / name, full_page=True)
    page.close()


def _make_owner(server: Server) -> None:
    environment = server.environment | {"DJANGO_SUPERUSER_PASSWORD": OWNER[1]}
    for command in (["migrate"], ["createsuperuser", "--noinput", "--username", OWNER[0], "--email", ""]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main()
