"""When a device was last there: noted while it is served, written when nobody waits for it, at most once a minute."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from chat.models import Device

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)

_lock = threading.Lock()
_seen: set[UUID] = set()


def saw(device: Device) -> None:
    """Costs nothing but a look at the clock."""
    if _is_due(device.last_seen_at):
        saw_again({device.id})


def saw_again(devices: set[UUID]) -> None:
    with _lock:
        _seen.update(devices)


def write(**_: Any) -> None:
    """Write down who was there; django calls it behind each answer (apps.py), and the sockets' watch as long as there are any."""
    if not _seen:
        return
    with _lock:
        devices = set(_seen)
        _seen.clear()
    now = timezone.now()
    try:
        due = Q(last_seen_at=None) | Q(last_seen_at__lt=now - EVERY)
        Device.objects.filter(due, id__in=devices).update(last_seen_at=now)
    except DatabaseError as error:  # locked, or the disk is full: the next request notes it again
        log.warning("who was there could not be stored: %s", error)


def _is_due(last: datetime | None) -> bool:
    return last is None or last < timezone.now() - EVERY
