"""`/`: the chat page. It carries its first data along; everything else it asks of the API."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from chat import clients, selectors
from chat.api.catalogue import list_models
from chat.identity import Client, caller_of, identify
from chat.preload import modules
from chat.presets import PRESETS
from chat.protocol import MAX_MESSAGE_CHARS


@require_GET
@never_cache
@vary_on_headers("Accept-Language", "Cookie")
def index(request: HttpRequest) -> HttpResponse:
    """`?c=ID` opens a conversation."""
    client = identify(caller_of(request.scope), open_to_all=settings.CONFIG.open)  # type: ignore[attr-defined]
    if client is None:
        return redirect("pair")
    return render(
        request,
        "chat/index.html",
        {"data": _data(request, client), "modules": modules("chat/page.js"), "language": "zh-Hans" if _chinese() else "en"},
    )


def _data(request: HttpRequest, client: Client) -> dict[str, Any]:
    conversation = _uuid(request.GET.get("c", ""))
    owner = client.device.owner_id
    return {
        # Before anything is read: what changes meanwhile comes twice, and is not missed.
        "changes": selectors.changes_now(owner).cursor(),
        "conversation": selectors.conversation_page(owner, conversation) if conversation else None,
        "conversations": dataclasses.asdict(selectors.conversation_list(owner)),
        "models": list_models(request),
        "presets": {name: values.said() for name, values in PRESETS.items()},
        # Hotspots give many computers the same address: what a browser keeps for one owner must not reach another.
        "owner": str(owner),
        "lang": "zh-hans" if _chinese() else "en",
        "max_chars": MAX_MESSAGE_CHARS,
        "phone_client": clients.PHONE_CLIENT if clients.for_browser(request) == clients.PHONE_CLIENT else "",
    }


def _chinese() -> bool:
    return (get_language() or "").lower().startswith("zh")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
