"""Phones are sent to the phone client where it is built, all else to the chat page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from chat import clients

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36"
TABLET = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
WECHAT = (
    "Mozilla/5.0 (Linux; Android 14; V2309A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0 Mobile Safari/537.36 "
    "MicroMessenger/8.0.50 WeChat/arm64"
)
HARMONY = "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sent_to(agent: str) -> str:
    return clients.for_browser(RequestFactory().get("/", headers={"User-Agent": agent}))


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.CONFIG = replace(settings.CONFIG, phone_client=tmp_path)
    return tmp_path


def test_each_browser_to_the_client_that_suits_it(folder: Path) -> None:
    (folder / "index.html").touch()
    assert {sent_to(agent) for agent in (IPHONE, ANDROID, TABLET, WECHAT, HARMONY)} == {"/m/"}
    assert {sent_to(agent) for agent in (MAC, WINDOWS, LINUX, "")} == {"/"}


def test_where_it_is_not_built_everybody_has_the_chat_page(folder: Path) -> None:
    assert sent_to(IPHONE) == clients.for_phones() == "/"
    (folder / "index.html").touch()
    assert sent_to(IPHONE) == clients.for_phones() == "/m/", "it was built just now"


def test_switched_off_it_is_not_looked_for(settings: Any) -> None:
    settings.CONFIG = replace(settings.CONFIG, phone_client=None)
    assert sent_to(IPHONE) == "/"
