"""Who is at the other end of a request or a socket: a paired device, the computer's own browser, or, with --open, anybody."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError

from chat import presence
from chat.limits import HOST, network_of
from chat.models import Device, Owner

COOKIE = "llmsite_device"
PROXY_HEADERS = (
    "forwarded", "via", "x-forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-server",
    "x-original-forwarded-for", "x-original-host", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-envoy-external-address", "x-proxyuser-ip",
    "client-ip", "true-client-ip", "cf-connecting-ip", "fastly-client-ip", "cdn-loop", "proxy-connection",
)  # fmt: skip
"""What proxies and tunnels add to a request that they pass on."""


def is_passed_on(http_version: str, headers: Mapping[str, str]) -> bool:
    """True where a proxy shows itself: by its headers, or as nginx does when it was told nothing: it then speaks HTTP/1.0, as no browser does, and
    names this computer as the host; with the recipe for WebSockets that is copied most, it sends `Connection: upgrade` with everything, in small
    letters, as no browser does either. What forwards bytes and adds nothing cannot be told from this computer's own browser."""
    return any(name in headers for name in PROXY_HEADERS) or http_version == "1.0" or headers.get("connection") == "upgrade"


@dataclass(frozen=True)
class Client:
    """A device that may chat, and the name under which it waits in the queue."""

    device: Device
    fair: str

    @property
    def owner(self) -> UUID:
        return self.device.owner_id


@dataclass(frozen=True)
class Caller:
    """What is known of a request before the database is asked."""

    address: str
    host: str
    token: str
    proxied: bool

    @property
    def is_loopback(self) -> bool:
        """True for a browser on this very computer. Behind a proxy everybody comes from loopback, so a proxied request never is;
        and a page elsewhere whose name was re-bound to 127.0.0.1 shows in the Host header."""
        return not self.proxied and _is_loopback(self.address) and _is_loopback_name(self.host)


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Read an ASGI scope (HTTP or WebSocket)."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
    client = scope.get("client") or ("", 0)
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    token = credentials.strip() if scheme.lower() == "bearer" else _cookie(headers.get("cookie", ""))
    return Caller(client[0], headers.get("host", ""), token, is_passed_on(scope.get("http_version", ""), headers))


def place_of(caller: Caller) -> str:
    """Whom the limits hold for what comes from somewhere, before it is known which device it is: an address, HOST, or "proxied".

    What a proxy says about addresses counts only where one is set up (`https`): else anybody could be somewhere else with every request.
    """
    if caller.is_loopback:
        return HOST
    return "proxied" if caller.proxied and not settings.CONFIG.https else network_of(caller.address)


def identify(caller: Caller, *, open_to_all: bool) -> Client | None:
    """The device behind a caller; None when it is nobody's. Synchronous: reads the database."""
    if caller.token and (client := _shown(caller.token, Device.Kind.DEVICE)):
        return client
    if caller.is_loopback:
        return _shared(Owner.Kind.HOST, str(Owner.Kind.HOST))
    if open_to_all:
        # All share one owner; each address waits in the queue for itself.
        return _shared(Owner.Kind.OPEN, caller.address)
    return None


def identify_key(key: str, address: str, *, open_to_all: bool) -> Client | None:
    """Who calls /v1/: a key's person. Not even this computer's own programs go without one, except with --open. Synchronous: reads the database."""
    if key and (client := _shown(key, Device.Kind.KEY)):
        return client
    return _shared(Owner.Kind.OPEN, address) if open_to_all else None


def _shown(token: str, kind: str) -> Client | None:
    """The device whose token this is. A key is no phone's token, and a phone's is no key."""
    device = Device.objects.select_related("owner").filter(token_hash=hash_secret(token), kind=kind, revoked_at=None).first()
    if device is None:
        return None
    presence.saw(device)
    return Client(device, str(device.id))


def hash_secret(secret: str) -> str:
    """SHA-256 is enough here: the secrets are random, 256 bits long, and cannot be guessed from a list."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _shared(kind: str, fair: str) -> Client:
    device = Device.objects.select_related("owner").filter(owner__kind=kind, token_hash=None).first()
    if device is None:
        try:
            owner, _ = Owner.objects.get_or_create(kind=kind)
        except IntegrityError:
            owner = Owner.objects.get(kind=kind)
        device, _ = Device.objects.get_or_create(owner=owner, token_hash=None, defaults={"name": owner.get_kind_display()})
    return Client(device, fair)


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.split("%")[0]).is_loopback
    except ValueError:
        return address == ""  # a Unix socket, or a test client


def _is_loopback_name(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    return name == "localhost" or name.endswith(".localhost") or (name != "" and _is_loopback(name))
