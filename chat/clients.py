"""Which client a browser is sent to: phones to the phone client, where it was built; everything else to the chat page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

CHAT_PAGE = "/"
PHONE_CLIENT = "/m/"
PHONES = ("iPhone", "iPad", "Android", "HarmonyOS", "Mobile")
"""What the browsers of phones and tablets call themselves. An iPad that poses as a Mac gets the chat page, which suits it, too."""


def is_served() -> bool:
    """Whether the phone client is there. Looks each time: it may be built while the server runs."""
    folder = settings.CONFIG.phone_client
    return folder is not None and (folder / "index.html").is_file()


def for_phones() -> str:
    """The address of the best client for a phone."""
    return PHONE_CLIENT if is_served() else CHAT_PAGE


def for_browser(request: HttpRequest) -> str:
    """The address of the best client for the browser that asks."""
    agent = request.headers.get("User-Agent", "")
    return for_phones() if any(mark in agent for mark in PHONES) else CHAT_PAGE
