"""Who one is; the devices of a person, and how another joins them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from chat import pairing, people, selectors, services
from chat.api.answers import READ, WRITE, answers
from chat.api.auth import is_host, runtime_of
from chat.api.errors import ApiError, language
from chat.api.schemas import Device, DeviceName, Me, Paired, PairingCode, PairingRequest
from chat.identity import COOKIE
from chat.models import Owner
from chat.presets import PRESETS
from chat.protocol import MAX_MESSAGE_CHARS, VERSION

router = Router(tags=["devices"])


@router.get("/me", response=answers(Me, *READ))
def read_me(request: HttpRequest) -> Any:
    """Who asks, and what a client needs to know before it begins."""
    client = request.auth
    return {
        "owner": str(client.owner),
        "device": {"id": str(client.device.id), "name": client.device.name},
        "host": is_host(client),
        "open": settings.CONFIG.open,
        "lang": "zh-hans" if language().lower().startswith("zh") else "en",
        "max_chars": MAX_MESSAGE_CHARS,
        "presets": {name: values.said() for name, values in PRESETS.items()},
        "version": VERSION,
        "address_name": getattr(runtime_of(request), "address_name", ""),
    }


@router.get("/devices", response=answers(list[Device], *READ))
def list_devices(request: HttpRequest) -> Any:
    """Those of the same person; for the computer's own browser, everybody's."""
    client = request.auth
    return selectors.device_list(None if is_host(client) else client.owner, client.device.id)


@router.patch("/devices/{device}", response=answers(Device, *WRITE))
def rename_device(request: HttpRequest, device: UUID, body: DeviceName) -> Any:
    """One of one's own."""
    owner = _owner_of(request, device)
    people.rename_device(owner=owner, device=device, name=body.name)
    return next(row for row in selectors.device_list(owner, request.auth.device.id) if row["id"] == str(device))


@router.delete("/devices/{device}", response=answers(None, *WRITE, status=204))
def revoke_device(request: HttpRequest, response: HttpResponse, device: UUID) -> Any:
    """Shut it out at once: its token is worth nothing from now on, and its sockets are closed. What it wrote stays with its person.
    A browser that shuts itself out loses its cookie as well."""
    _owner_of(request, device)
    people.revoke_device(device=device)
    if device == request.auth.device.id:
        response.delete_cookie(COOKIE)
    return Status(204, None)


@router.post("/pair", auth=None, response=answers(Paired, *WRITE))
def pair(request: HttpRequest, body: PairingRequest) -> Any:
    """For apps: a code from the computer's screen, or from another device, becomes a token. A code works once and for some minutes."""
    try:
        device, token = pairing.redeem(code=body.code, name=" ".join(body.name.split()))
    except pairing.CodeRefused as error:
        raise ApiError(403, "code_refused") from error
    return {"token": token, "device": str(device.id), "owner": str(device.owner_id)}


@router.post("/pairing-codes", response=answers(PairingCode, *WRITE, status=201))
def create_pairing_code(request: HttpRequest) -> Any:
    """A code for another device of the same person."""
    owner = request.auth.device.owner
    if owner.kind == Owner.Kind.OPEN:
        # It would outlive --open, and read what everybody wrote.
        raise ApiError(409, "nobody_to_pair")
    new = pairing.new_code(owner=owner)
    urls = [f"{address}/pair/?code={new.code}" for address in _addresses(request)]
    return Status(201, {"code": new.code, "expires_at": new.expires_at.isoformat(), "urls": urls})


def _addresses(request: HttpRequest) -> list[str]:
    """Where phones reach this computer. One that asks has come by an address that works; it is the first."""
    runtime, server = runtime_of(request), request.scope.get("server")
    found = runtime.phone_urls(server[1]) if runtime is not None and server else []
    own = [] if is_host(request.auth) else [f"{request.scheme}://{request.get_host()}"]
    return list(dict.fromkeys([*own, *found]))


def _owner_of(request: HttpRequest, device: UUID) -> UUID:
    """Whose device it is: of the same person, or, asked by the computer's own browser, of anybody. Raises Refused."""
    client = request.auth
    owner = selectors.owner_of_device(device)
    if owner is None or (owner != client.owner and not is_host(client)):
        raise services.Refused("no_device")
    return owner
