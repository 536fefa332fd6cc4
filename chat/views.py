"""`/`: the chat page. It carries its first data along, and gives the same as JSON to whoever asks for that."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from chat import selectors
from chat.identity import Client, caller_of, identify
from chat.presets import PRESETS
from chat.protocol import MAX_MESSAGE_CHARS


@require_GET
@never_cache
@vary_on_headers("Accept", "Accept-Language", "Cookie")
def index(request: HttpRequest) -> HttpResponse:
    """`?c=ID` opens a conversation. The page asks for JSON when it is in front again, or turns to another conversation."""
    client = identify(caller_of(request.scope), open_to_all=settings.CONFIG.open)  # type: ignore[attr-defined]
    as_json = request.headers.get("Accept", "").startswith("application/json")
    if client is None:
        return JsonResponse({"code": "not_paired"}, status=403) if as_json else redirect("pair")
    data = _data(request, client)
    if as_json:
        return JsonResponse(data)
    return render(request, "chat/index.html", {"data": data, "language": "zh-Hans" if _chinese() else "en"})


def _data(request: HttpRequest, client: Client) -> dict[str, Any]:
    conversation = _uuid(request.GET.get("c", ""))
    owner = client.device.owner_id
    return {
        "conversation": selectors.conversation_page(owner, conversation) if conversation else None,
        "conversations": dataclasses.asdict(selectors.conversation_list(owner)),
        "model": _model(request),
        "presets": {name: values.said() for name, values in PRESETS.items()},
        # Hotspots give many computers the same address: what a browser keeps for one owner must not reach another.
        "owner": str(owner),
        "lang": "zh-hans" if _chinese() else "en",
        "max_chars": MAX_MESSAGE_CHARS,
    }


def _model(request: HttpRequest) -> dict[str, Any]:
    config = settings.CONFIG
    chosen = config.models.get(config.model)
    runtime = request.scope.get("state", {}).get("runtime")  # type: ignore[attr-defined]
    return {
        "state": runtime.state if runtime is not None else "loading",
        # A model may be named by its folder, and where that is concerns no phone.
        "name": PurePath(config.model).name,
        "remote": chosen is not None and _is_elsewhere(chosen.base_url),
    }


def _is_elsewhere(base_url: str) -> bool:
    """Whether what people write leaves this computer: the model answers at an address that is not its own."""
    host = urlsplit(base_url).hostname or "localhost"
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")


def _chinese() -> bool:
    return (get_language() or "").lower().startswith("zh")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
