"""People and their devices: renaming, revoking, and making one person of two entries, whose phone and tablet were paired as two."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chat import calls, changes, sockets
from chat.models import Conversation, Device, Owner, PairingCode
from chat.services import Refused

NAME_CHARS = 100


def join_owners(*, keep: UUID, others: list[UUID]) -> int:
    """Give `keep` all devices and conversations of the others, and remove those. Returns how many devices have moved. Raises Refused.

    The shared owner of --open is everybody, so it is nobody's other; and the computer's own can take others in, but not be taken.
    """
    with changes.writing(keep):
        owners = {owner.id: owner for owner in Owner.objects.select_for_update().filter(id__in=[keep, *others])}
        gone = [owners[id_] for id_ in others if id_ in owners and id_ != keep]
        if keep not in owners or not gone or owners[keep].kind == Owner.Kind.OPEN or any(owner.kind != Owner.Kind.PERSON for owner in gone):
            raise Refused("no_person")
        moved = list(Device.objects.filter(owner__in=gone).values_list("id", flat=True))
        Device.objects.filter(owner__in=gone).update(owner=keep)
        taken = list(Conversation.objects.filter(owner__in=gone).values_list("id", flat=True))
        Conversation.objects.filter(owner__in=gone).update(owner=keep)
        changes.mark(keep, *taken)
        PairingCode.objects.filter(owner__in=gone).update(owner=keep)
        Owner.objects.filter(id__in=[owner.id for owner in gone]).delete()
        # An open socket knows its person from when it was opened.
        transaction.on_commit(lambda: sockets.close_devices(moved))
    return len(moved)


def rename_device(*, owner: UUID, device: UUID, name: str) -> None:
    """Raises Refused."""
    plain = " ".join(name.split())[:NAME_CHARS]
    if not plain:
        raise Refused("no_name")
    if not Device.objects.filter(id=device, owner_id=owner).update(name=plain):
        raise Refused("no_device")


def revoke_device(*, device: UUID) -> None:
    """Shut a device or a key out, and end its open sockets and calls at once. Its conversations stay. Raises Refused when there is none."""
    if not Device.objects.filter(id=device, revoked_at=None, token_hash__isnull=False).update(revoked_at=timezone.now()):
        raise Refused("no_device")
    transaction.on_commit(lambda: _shut_out(device))


def _shut_out(device: UUID) -> None:
    sockets.close_device(device)
    calls.end_calls([device])
