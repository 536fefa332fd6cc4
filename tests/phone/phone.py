"""The phone client as a person uses it. Everything waits for what it expects; nothing sleeps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.chromium import LIMIT_MS

SCREEN: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
    "user_agent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
}

# What buttons are called, where the client says the same as the chat page.
NAMES = {
    "en": {
        "send": "Send",
        "stop": "Stop",
        "drawer": "Conversations",
        "new": "New chat",
        "settings": "Settings",
        "copy": "Copy",
        "regenerate": "Answer again",
        "edit": "Edit",
        "continue": "Continue",
        "again": "Try again",
        "before": "Version before",
        "after": "Next version",
        "good": "Good answer",
        "bad": "Bad answer",
        "more": "More",
        "to_end": "To the end",
        "take_back": "Take back",
        "stopped": "Stopped.",
        "interrupted": "Interrupted",
        "thought": "Thought",
    },
    "zh-CN": {
        "send": "发送",
        "stop": "停止",
        "drawer": "对话列表",
        "new": "新对话",
        "settings": "设置",
        "copy": "复制",
        "regenerate": "重新回答",
        "edit": "修改",
        "continue": "继续写",
        "again": "重试",
        "before": "上一个版本",
        "after": "下一个版本",
        "good": "回答得好",
        "bad": "回答得不好",
        "more": "更多",
        "to_end": "到最后",
        "take_back": "撤回",
        "stopped": "已停止",
        "interrupted": "写到一半时电脑停了",
        "thought": "思考",
    },
}

SAID = ".bubble-text"
ANSWER = ".answer-text"
SCROLLER = """() => [...document.querySelectorAll('.thread, .thread *')].find((one) =>
  /auto|scroll/.test(getComputedStyle(one).overflowY) && one.clientHeight > 0)"""


def words(count: int) -> str:
    """What the fake engine answers to `!say count`."""
    return " ".join(f"w{i}" for i in range(count))


class Phone:
    """One page with the client in it. `http` is where it finds the server: the server itself, or a proxy before it."""

    def __init__(self, page: Page, http: str, locale: str = "en") -> None:
        self.page = page
        self.http = http
        self.names = NAMES[locale]
        page.set_default_timeout(LIMIT_MS)

    def open(self, path: str = "/m/") -> Phone:
        self.page.goto(self.http + path)
        self.ready()
        return self

    def reload(self) -> None:
        self.page.reload()
        self.ready()

    def ready(self) -> None:
        """Until the chat is there and has its server."""
        expect(self.field).to_be_visible()
        expect(self.page.locator(".welcome, .message").first).to_be_visible()

    # --- what is there ---

    @property
    def field(self) -> Locator:
        return self.page.locator(".composer textarea")

    @property
    def users(self) -> Locator:
        return self.page.locator(".message.user")

    @property
    def answers(self) -> Locator:
        return self.page.locator(".message.assistant")

    @property
    def last(self) -> Locator:
        return self.answers.last

    @property
    def offline(self) -> Locator:
        return self.page.locator(".offline")

    @property
    def drawer(self) -> Locator:
        return self.page.locator(".drawer")

    def button(self, name: str, within: Locator | None = None) -> Locator:
        """By what it does (a key of NAMES), else by its name."""
        return (within or self.page).get_by_role("button", name=self.names.get(name, name), exact=True)

    def text(self) -> str:
        """The newest answer as it is drawn."""
        return text_of(self.last)

    def texts(self) -> list[str]:
        return [text_of(one) for one in self.answers.all()]

    def said(self) -> list[str]:
        return [text.strip() for text in self.users.locator(SAID).all_text_contents()]

    # --- what a person does ---

    def say(self, text: str) -> None:
        self.field.fill(text)
        self.button("send").tap()

    def ask(self, text: str) -> str:
        """Say something and wait for the whole answer."""
        count = self.answers.count()
        self.say(text)
        expect(self.answers).to_have_count(count + 1)
        self.finished()
        return self.text()

    def stop(self) -> None:
        self.button("stop").tap()

    def loaded(self, chunk: str) -> None:
        """Wait for the code of a page that is loaded ahead: it is needed when the computer is away."""
        wanted = f"() => performance.getEntriesByType('resource').some((one) => one.name.includes('{chunk}') && one.name.endsWith('.js'))"
        self.page.wait_for_function(wanted)

    def open_drawer(self) -> Locator:
        """On a wide screen it is always open."""
        if self.button("drawer").count():
            self.button("drawer").first.tap()
        expect(self.drawer).to_be_visible()
        return self.drawer

    def row(self, title: str) -> Locator:
        return self.drawer.locator(".conversation").filter(has_text=title)

    def new_chat(self) -> None:
        self.button("new").first.tap()
        expect(self.page.locator(".welcome")).to_be_visible()

    def open_settings(self, section: str = "") -> Locator:
        """All at a glance, or one section. Returns what is shown."""
        self.button("settings").first.tap()
        expect(self.page).to_have_url(re.compile(r"#/pages/settings/settings"))
        if section:
            self.page.locator(f"[data-section={section}]").get_by_role("button").first.tap()
            expect(self.page).to_have_url(re.compile(rf"section={section}"))
        return self.page.locator("uni-page:visible").last

    def leave_settings(self) -> None:
        while "#/pages/settings" in self.page.url:
            here = self.page.url
            self.page.go_back()
            expect(self.page).not_to_have_url(here)
        self.ready()

    # --- what a person waits for ---

    def streaming(self, at_least: str = "w3 ") -> None:
        """Until the newest answer grows and has come so far."""
        expect(self.button("stop")).to_be_visible()
        expect(self.last.locator(ANSWER)).to_contain_text(at_least)

    def finished(self) -> None:
        """Until nothing is written any more and nothing waits to go out."""
        expect(self.button("send")).to_be_visible()
        expect(self.page.locator(".message.waiting")).to_have_count(0)
        expect(self.page.locator(".message.live")).to_have_count(0)

    # --- the thread's scrolling ---

    def scroll(self, expression: str) -> Any:
        """Of the thread's scroller, named `it`."""
        return self.page.evaluate(f"() => {{ const it = ({SCROLLER})(); return {expression} }}")

    def at_end(self) -> bool:
        return bool(self.scroll("it.scrollHeight - it.scrollTop - it.clientHeight < 8"))

    # --- what the server has stored ---

    def api(self, path: str, http: str = "") -> Any:
        answer = self.page.request.get(f"{http or self.http}/api/{path}")
        assert answer.ok, f"{path}: {answer.status} {answer.text()}"
        return answer.json()

    def newest_conversation(self, http: str = "") -> str:
        return str(self.api("conversations", http)["items"][0]["id"])

    def stored(self, conversation: str = "", http: str = "") -> list[tuple[str, str]]:
        """Role and content of the open branch of a conversation, of the newest if none is named. `http`: past the proxy, say."""
        page = self.api(f"conversations/{conversation or self.newest_conversation(http)}", http)
        rows = {message["id"]: message for message in page["messages"]}
        branch: list[tuple[str, str]] = []
        message = rows.get(page["leaf"])
        while message is not None:
            branch.insert(0, (message["role"], message["content"].strip()))
            message = rows.get(message["parent"])
        return branch

    def until(self, holds: Callable[[], bool]) -> None:
        """For what is seen in this process, while the page goes on."""
        deadline = time.monotonic() + LIMIT_MS / 1000
        while not holds():
            assert time.monotonic() < deadline, "it did not happen"
            self.page.wait_for_timeout(20)


def text_of(message: Locator) -> str:
    return (message.locator(ANSWER).text_content() or "").strip()
