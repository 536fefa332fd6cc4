from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from django.utils import timezone

from chat import services, sockets
from chat.identity import Client
from chat.models import Conversation, Device, Owner, PairingCode

DEVICES, PEOPLE = "/admin/chat/device/", "/admin/chat/owner/"


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The devices whose sockets were closed."""
    found: list[object] = []
    monkeypatch.setattr(sockets, "close_device", found.append)
    monkeypatch.setattr(sockets, "close_devices", found.extend)
    return found


@pytest.fixture
def paired(client: Client) -> Device:
    client.device.token_hash = "x"
    client.device.save()
    return client.device


def test_revoking_asks_first_then_shuts_the_device_out(owner: Browser, paired: Device, closed: list[object]) -> None:
    page = owner.get(f"{DEVICES}revoke/?id={paired.id}")
    assert b"phone" in page.content
    assert Device.objects.get().revoked_at is None
    assert owner.post(f"{DEVICES}revoke/", {"id": [str(paired.id)]}).status_code == 302
    assert Device.objects.get().revoked_at is not None
    assert closed == [paired.id]
    assert LogEntry.objects.get().change_message == "revoked"


def test_the_action_asks_too(owner: Browser, paired: Device, closed: list[object]) -> None:
    page = owner.post(DEVICES, {"action": "revoke", "_selected_action": [str(paired.id)]})
    assert page.status_code == 200
    assert f'name="id" value="{paired.id}"' in page.content.decode()
    assert closed == []


def test_what_is_not_paired_or_already_revoked_cannot_be_revoked(owner: Browser, client: Client, paired: Device, closed: list[object]) -> None:
    Device.objects.update(revoked_at=timezone.now())
    assert owner.get(f"{DEVICES}revoke/?id={paired.id}").status_code == 302
    assert owner.post(f"{DEVICES}revoke/", {"id": [str(paired.id)]}).status_code == 302
    assert owner.get(f"{DEVICES}revoke/?id=x").status_code == 404
    assert (closed, LogEntry.objects.count()) == ([], 0)


def test_who_may_only_look_revokes_and_joins_nothing(guest: Browser, paired: Device, closed: list[object]) -> None:
    assert guest.post(f"{DEVICES}revoke/", {"id": [str(paired.id)]}).status_code == 403
    other = Owner.objects.create(name="other")
    guest.post(PEOPLE, {"action": "join", "_selected_action": [str(paired.owner_id), str(other.id)], "keep": str(other.id)})
    assert Owner.objects.count() == 2
    assert closed == []


def test_a_device_keeps_its_times_when_it_is_renamed(owner: Browser, paired: Device) -> None:
    assert owner.post(f"{DEVICES}{paired.id}/change/", {"name": "the red one", "revoked_at": "2026-01-01"}).status_code == 302
    device = Device.objects.get()
    assert (device.name, device.revoked_at, device.token_hash) == ("the red one", None, "x")


def test_two_entries_become_one_person(owner: Browser, client: Client, stranger: Client, closed: list[object]) -> None:
    services.send(device=stranger.device, content="mine")
    PairingCode.objects.create(code_hash="c", owner=stranger.device.owner, expires_at=timezone.now())
    both = [str(client.device.owner_id), str(stranger.device.owner_id)]
    page = owner.post(PEOPLE, {"action": "join", "_selected_action": both})
    assert [row[1:] for row in page.context["people"]] == [("phone", 1, 0), ("stranger", 1, 1)]
    assert owner.post(PEOPLE, {"action": "join", "_selected_action": both, "keep": both[0]}).status_code == 302
    [kept] = Owner.objects.all()
    assert str(kept.id) == both[0]
    assert {device.owner_id for device in Device.objects.all()} == {kept.id}
    assert Conversation.objects.get().owner_id == kept.id
    assert PairingCode.objects.get().owner_id == kept.id
    assert closed == [stranger.device.id]
    assert "stranger" in LogEntry.objects.get().change_message


@pytest.mark.parametrize("kind", ["host", "open"])
def test_the_computer_and_everybody_are_not_joined_to_a_person(owner: Browser, client: Client, kind: str) -> None:
    shared = Owner.objects.create(kind=kind)
    both = [str(client.device.owner_id), str(shared.id)]
    owner.post(PEOPLE, {"action": "join", "_selected_action": both, "keep": both[0]})
    assert Owner.objects.count() == 2
    owner.post(PEOPLE, {"action": "join", "_selected_action": both, "keep": both[1]})
    assert Owner.objects.count() == (1 if kind == "host" else 2)


def test_pairing_codes_are_nobodys_to_see(owner: Browser) -> None:
    assert owner.get("/admin/chat/pairingcode/").status_code == 404
