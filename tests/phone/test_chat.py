"""The phone client: what a person says, sees and does."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.end_to_end.server import Server
from tests.phone.conftest import OpenPhone
from tests.phone.phone import words

pytestmark = [pytest.mark.browser, pytest.mark.process]


def test_it_streams_and_stores(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    expect(phone.page.locator(".welcome")).to_be_visible()
    phone.say("!say 60")
    expect(phone.page.locator(".welcome")).to_have_count(0)
    phone.streaming()
    assert words(60).startswith(phone.text())
    phone.finished()
    assert phone.text() == words(60)
    assert phone.stored() == [("user", "!say 60"), ("assistant", words(60))]
    assert phone.ask("and 你好 🙂") == "echo: and 你好 🙂"
