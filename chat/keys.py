"""Keys for programs that speak OpenAI's protocol (/v1/): made for a person, shown once, stored as a hash."""

from __future__ import annotations

import secrets

from django.db import transaction
from django.db.models import QuerySet

from chat.identity import hash_secret
from chat.models import Device, Owner
from chat.people import NAME_CHARS
from chat.services import Refused

PREFIX = "sk-llmsite-"
"""So that people, and programs that look for secrets in files, see what it is."""
MOST = 50
"""That work at once, for one person."""


def new_key(*, owner: Owner, name: str) -> tuple[Device, str]:
    """A key of 256 random bits. It opens /v1/ for its person until it is revoked (people.revoke_device), and nothing else.

    Returns it with its text, which is stored nowhere. Raises Refused.
    """
    plain = " ".join(name.split())[:NAME_CHARS]
    if not plain:
        raise Refused("no_name")
    if owner.kind == Owner.Kind.OPEN:
        # It would outlive --open, and be the key of everybody.
        raise Refused("nobody_to_pair")
    key = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        if keys_of(owner).count() >= MOST:
            raise Refused("too_many_keys", limit=MOST)
        return Device.objects.create(owner=owner, kind=Device.Kind.KEY, name=plain, token_hash=hash_secret(key)), key


def keys_of(owner: Owner) -> QuerySet[Device]:
    """Those that work, the newest first."""
    return Device.objects.filter(owner=owner, kind=Device.Kind.KEY, revoked_at=None).order_by("-created_at")
