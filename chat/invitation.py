"""The QR codes of /pair/: a code for one device, with the addresses at which phones reach this computer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from chat import clients, pair_words, pairing, qr
from chat.identity import Client
from chat.models import Owner

ADDRESS = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")


@dataclass(frozen=True)
class Viewer:
    """Who looks at the page."""

    client: Client | None
    is_host: bool
    """The computer's own browser: it sees and removes the devices of everybody."""

    @property
    def is_paired(self) -> bool:
        return self.client is not None and self.client.device.token_hash is not None

    @property
    def owner(self) -> UUID | None:
        """Whose codes and devices may be seen; None: everybody's. Only for the host and for what is paired."""
        return None if self.is_host else self.client.owner  # type: ignore[union-attr]


@dataclass(frozen=True)
class Choice:
    """An address with its QR code."""

    shown: str
    kind: str
    url: str
    """With the code."""
    page: str
    """The same without it, for typing."""
    svg: str


def further_for(request: HttpRequest, viewer: Viewer) -> Owner | None:
    """`?for=ID`: the person who is to have another device. A phone may say so of its own person only."""
    owner = uuid_of(request.GET.get("for", ""))
    if owner is None or viewer.owner not in (None, owner):
        return None
    # What --open shares is nobody's: a device of it would outlive --open, and read what everybody wrote.
    return Owner.objects.filter(id=owner).exclude(kind=Owner.Kind.OPEN).first()


def invitation(request: HttpRequest, viewer: Viewer, further: Owner | None) -> dict[str, Any]:
    """A code in the QR codes of all addresses that phones can reach; none where there is no such address."""
    places = _places(request, viewer)
    if not places:
        return {"nowhere": True}
    if settings.CONFIG.open and further is None:
        return {"choices": [_choice(base, kind, clients.for_phones()) for base, kind in places], "named": places[0][1] == "named"}
    code = pairing.new_code(owner=further)
    seconds = max(0, round((code.expires_at - timezone.now()).total_seconds()))
    choices = [_choice(base, kind, f"/pair/?code={code.code}") for base, kind in places]
    return {
        "code": code,
        "seconds": seconds,
        "minutes": round(seconds / 60),
        "choices": choices,
        "named": places[0][1] == "named",
        "further": further,
    }


def _places(request: HttpRequest, viewer: Viewer) -> list[tuple[str, str]]:
    """("http://HOST:PORT", kind), the best first: the addresses that were connected to just now, and the .local name.

    `?address=HOST:PORT` names another: behind a forwarded port or a proxy, phones use one that this computer does not have.
    A phone has come by one that works; it stands first.
    """
    port, runtime = port_of(request), request.scope["state"]["runtime"]  # type: ignore[attr-defined]
    named = request.GET.get("address", "")
    if viewer.is_host and ADDRESS.fullmatch(named):
        return [(f"{'https' if settings.CONFIG.https else 'http'}://{named}", "named")]
    places = {address.url(port, ""): address.kind for address in runtime.phone_addresses(port)}
    if places and runtime.address_name:
        places[f"http://{runtime.address_name}:{port}"] = "name"
    if not viewer.is_host:
        own = f"{request.scheme}://{request.get_host()}"
        places = {own: places.get(own, ""), **places}
    return list(places.items())


def _choice(base: str, kind: str, path: str) -> Choice:
    return Choice(
        urlsplit(base).netloc, pair_words.say(f"kind.{kind}") if kind else "", base + path, base + path.partition("?")[0], qr.svg(base + path)
    )


def port_of(request: HttpRequest) -> int:
    server = request.scope.get("server") or ("", 80)  # type: ignore[attr-defined]
    return server[1] or 80


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
