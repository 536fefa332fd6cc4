"""Pairing: a short-lived code that makes one device, once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from chat.identity import hash_secret
from chat.models import Device, Owner, PairingCode

LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True)
class NewCode:
    code: str
    expires_at: datetime


class CodeRefused(Exception):
    """The code is unknown, was used, or is too old; which of them is not said."""


def new_code(lifetime: timedelta = LIFETIME, owner: Owner | None = None) -> NewCode:
    """A fresh code of 128 random bits, for another device of `owner`, or for a new person's. Old ones are cleared away."""
    code, expires_at = secrets.token_urlsafe(16), timezone.now() + lifetime
    PairingCode.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1)).delete()
    PairingCode.objects.create(code_hash=hash_secret(code), owner=owner, expires_at=expires_at)
    return NewCode(code, expires_at)


def redeem(*, code: str, name: str) -> tuple[Device, str]:
    """Make a device from a code. Returns it with its token, which is stored nowhere. Raises CodeRefused."""
    with transaction.atomic():
        now = timezone.now()
        # One UPDATE decides: of two phones with the same code, one gets a row.
        if not PairingCode.objects.filter(code_hash=hash_secret(code), used_at=None, expires_at__gt=now).update(used_at=now):
            raise CodeRefused
        token = secrets.token_urlsafe(32)
        row = PairingCode.objects.select_related("owner").get(code_hash=hash_secret(code))
        owner = row.owner or Owner.objects.create(name=name[:100])
        device = Device.objects.create(owner=owner, name=name[:100], token_hash=hash_secret(token))
        PairingCode.objects.filter(id=row.id).update(device=device)
        return device, token


def code_was_used(code: str) -> Device | None:
    """The device that a code made, for the terminal to say so."""
    row = PairingCode.objects.select_related("device").filter(code_hash=hash_secret(code)).first()
    return row.device if row else None
