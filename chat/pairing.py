"""Pairing: a short-lived code that makes one device, once. The same code is in the QR and can be typed by hand."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from chat import services
from chat.identity import hash_secret
from chat.models import Device, Owner, PairingCode
from chat.people import revoke_device

LIFETIME = timedelta(minutes=10)
KEPT = timedelta(days=1)
MOST = 100
"""Codes that wait at once."""
NAME_CHARS = 100

# Crockford's base 32: no I, L, O or U, so that nothing is mistaken when it is read aloud or typed. 8 characters are 40 bits: in its ten minutes an
# address may try 100 of 10^12. And whoever could find a code from its hash reads the database, where the conversations are.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 8
MEANT = str.maketrans("OIL", "011")


@dataclass(frozen=True)
class NewCode:
    id: int
    """Tells which code it is to those who may ask what became of it; it opens nothing."""
    code: str
    expires_at: datetime


@dataclass(frozen=True)
class CodeState:
    """What became of a code. `device` names the one it made."""

    state: str
    device: str = ""


class CodeRefused(Exception):
    """The code is unknown, was used, or is too old; which of them is not said."""


def new_code(lifetime: timedelta = LIFETIME, *, owner: Owner | None = None) -> NewCode:
    """A fresh code of 40 random bits, for a new person or for a further device of `owner`. Old ones are cleared away."""
    plain = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    expires_at = timezone.now() + lifetime
    PairingCode.objects.filter(expires_at__lt=timezone.now() - KEPT).delete()
    # A page elsewhere can make this computer's browser ask for codes, though it never sees one: each that works makes a guess likelier.
    unused = PairingCode.objects.filter(used_at=None).order_by("-id").values_list("id", flat=True)
    PairingCode.objects.filter(id__in=list(unused[MOST - 1 :])).delete()
    row = PairingCode.objects.create(code_hash=hash_secret(plain), expires_at=expires_at, owner=owner)
    return NewCode(row.id, f"{plain[:4]}-{plain[4:]}", expires_at)


def redeem(*, code: str, name: str, replaces: Device | None = None) -> tuple[Device, str]:
    """Make a device from a code: of its own new person, or of the person that the code is for.

    Returns it with its token, which is stored nowhere. `replaces` is what the same browser was until now; that device is shut out.
    Whoever passes codes on from elsewhere limits how often (limits.py, pairings). Raises CodeRefused.
    """
    name, code_hash = " ".join(name.split())[:NAME_CHARS], hash_secret(plain(code))
    with transaction.atomic():
        now = timezone.now()
        # One UPDATE decides: of two phones with the same code, one gets a row.
        if not PairingCode.objects.filter(code_hash=code_hash, used_at=None, expires_at__gt=now).update(used_at=now):
            raise CodeRefused
        row = PairingCode.objects.select_related("owner").get(code_hash=code_hash)
        token = secrets.token_urlsafe(32)
        device = Device.objects.create(owner=row.owner or Owner.objects.create(name=name), name=name, token_hash=hash_secret(token))
        PairingCode.objects.filter(id=row.id).update(device=device)
        if replaces is not None and replaces.token_hash is not None and replaces.revoked_at is None:
            with suppress(services.Refused):  # somebody shuts it out at the same moment
                revoke_device(device=replaces.id)
        return device, token


def code_was_used(code: str) -> Device | None:
    """The device that a code made, for the terminal to say so."""
    row = PairingCode.objects.select_related("device").filter(code_hash=hash_secret(plain(code))).first()
    return row.device if row else None


def state_of(code: int, *, owner: UUID | None = None) -> CodeState:
    """What became of the code with that id. With `owner`, those for other persons are as unknown as those that never were."""
    rows = PairingCode.objects.select_related("device").filter(id=code)
    row = (rows.filter(owner_id=owner) if owner else rows).first()
    if row is None:
        return CodeState("unknown")
    if row.used_at is not None:
        return CodeState("used", str(row.device) if row.device else "")
    return CodeState("waiting" if row.expires_at > timezone.now() else "expired")


@dataclass(frozen=True)
class Person:
    owner: Owner
    devices: list[Device]
    """Those that are paired now."""
    keys: list[Device]
    """Those that work now, for other programs."""


def people(owner: UUID | None = None) -> list[Person]:
    """Everybody whom a device was ever paired for, and this computer's owner first; with `owner`, that person alone."""
    owners = (
        Owner.objects.filter(id=owner) if owner else Owner.objects.filter(Q(kind=Owner.Kind.HOST) | Q(devices__token_hash__isnull=False)).distinct()
    )
    devices = Device.objects.filter(owner__in=owners, token_hash__isnull=False, revoked_at=None).order_by("-created_at")
    by_owner: dict[tuple[UUID, str], list[Device]] = {}
    for device in devices:
        by_owner.setdefault((device.owner_id, device.kind), []).append(device)
    found = [
        Person(row, by_owner.get((row.id, Device.Kind.DEVICE), []), by_owner.get((row.id, Device.Kind.KEY), []))
        for row in owners.order_by("-created_at")
    ]
    return sorted(found, key=lambda person: person.owner.kind != Owner.Kind.HOST)


def plain(code: str) -> str:
    """As it was made, however it was typed: small letters, spaces, O for 0."""
    return re.sub(r"[^0-9A-Z]", "", code.upper()[:100]).translate(MEANT)
