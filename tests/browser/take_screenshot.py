"""The README's picture, from a server that runs: `python -m tests.browser.take_screenshot http://127.0.0.1:8000 docs/screenshot.png`."""

from __future__ import annotations

import base64
import sys

from playwright.sync_api import Browser, sync_playwright

from tests.browser.chat import Chat
from tests.browser.conftest import FLAGS, chromium

DESKTOP = {"viewport": {"width": 1120, "height": 720}, "locale": "en", "color_scheme": "light"}
PHONE = {"viewport": {"width": 360, "height": 720}, "locale": "zh-CN", "color_scheme": "dark", "has_touch": True, "is_mobile": True}
SAID = {"en": ["Hello, who are you?", "How do I load a bigger model?"], "zh-CN": ["你好，你是谁？", "手机怎么连接？"]}
FRAME = """<style>body{margin:0;padding:24px;display:flex;gap:24px;width:max-content;background:#d5dae6}
img{border-radius:12px;box-shadow:0 4px 24px #0003}</style>"""


def shot(browser: Browser, http: str, **options: object) -> bytes:
    """A short conversation, as a person sees it."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    chat = Chat(context.new_page(), http)
    chat.open()
    for text in SAID[str(options["locale"])]:
        chat.ask(text)
    chat.page.evaluate("document.activeElement.blur()")
    image = chat.page.screenshot()
    context.close()
    return image


def main(http: str, path: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        images = [base64.b64encode(shot(browser, http, **options)).decode() for options in (DESKTOP, PHONE)]
        page = browser.new_page(viewport={"width": 1552, "height": 768})
        page.set_content(FRAME + "".join(f'<img src="data:image/png;base64,{image}">' for image in images))
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
