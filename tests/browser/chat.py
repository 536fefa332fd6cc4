"""The chat page as a person uses it. Everything waits for what it expects; nothing sleeps."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.chromium import LIMIT_MS


def words(count: int) -> str:
    """What the fake engine answers to `!say count`."""
    return " ".join(f"w{i}" for i in range(count))


class Chat:
    def __init__(self, page: Page, http: str) -> None:
        self.page = page
        self.http = http
        page.set_default_timeout(LIMIT_MS)

    def open(self, path: str = "/") -> None:
        self.page.goto(self.http + path)
        expect(self.page.locator("#hint")).not_to_be_empty()

    def reload(self) -> None:
        self.page.reload()
        expect(self.page.locator("#hint")).not_to_be_empty()

    # --- what is there ---

    @property
    def field(self) -> Locator:
        return self.page.locator("#field")

    @property
    def send_button(self) -> Locator:
        return self.page.locator("#send")

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
    def conversation(self) -> str:
        found = re.search(r"\?c=([0-9a-f-]{36})", self.page.url)
        assert found, self.page.url
        return found[1]

    def text(self) -> str:
        """The newest answer, as it is drawn: Markdown takes the spaces at the end of a paragraph."""
        return (self.last.locator(".text").text_content() or "").strip()

    def said(self) -> list[str]:
        return [text or "" for text in self.users.locator(".text").all_text_contents()]

    def stored(self) -> list[tuple[str, str]]:
        """Role and content of the open branch, as the server has stored it."""
        with urllib.request.urlopen(f"{self.http}/api/conversations/{self.conversation}", timeout=30) as response:
            page: dict[str, Any] = json.load(response)
        rows = {message["id"]: message for message in page["messages"]}
        branch: list[tuple[str, str]] = []
        message = rows.get(page["leaf"])
        while message is not None:
            branch.insert(0, (message["role"], message["content"].strip()))
            message = rows.get(message["parent"])
        return branch

    # --- what a person does ---

    def say(self, text: str) -> None:
        self.field.fill(text)
        self.send_button.click()

    def ask(self, text: str) -> str:
        """Say something and wait for the whole answer."""
        count = self.answers.count()
        self.say(text)
        expect(self.answers).to_have_count(count + 1)
        self.finished()
        return self.text()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def stop(self) -> None:
        self.button("Stop").click()

    # --- what a person waits for ---

    def streaming(self, at_least: str = "w3 ") -> None:
        """Until the newest answer grows and has come so far."""
        expect(self.last).to_have_class(re.compile(r"\blive\b"))
        expect(self.last.locator(".text")).to_contain_text(at_least)

    def finished(self) -> None:
        expect(self.page.locator(".message.live")).to_have_count(0)
        expect(self.page.locator(".message.waiting")).to_have_count(0)
        expect(self.send_button.locator("use")).to_have_attribute("href", "#icon-send")
