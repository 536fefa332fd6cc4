from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chat import presence, sockets
from chat.identity import Client
from chat.models import Device, Owner
from chat.sockets import OpenSocket
from chat.watch import Watch, gone


class Phone:
    """An open socket of a device."""

    def __init__(self, device: Device) -> None:
        self.shut = asyncio.Event()
        self.socket = OpenSocket(device.owner_id, device.id, lambda frame: None, self.shut.set, asyncio.get_running_loop())
        sockets.add(self.socket)


@pytest.fixture(autouse=True)
def no_socket_stays() -> Iterator[None]:
    yield
    for socket in list(sockets._open):
        sockets.remove(socket)


def revoke_elsewhere(device: UUID) -> None:
    """As another process does: nobody here is told."""
    Device.objects.filter(id=device).update(revoked_at=timezone.now(), token_hash="0" * 64)


async def test_a_device_that_was_revoked_elsewhere_is_shut_out_and_no_other(client: Client, stranger: Client) -> None:
    await sync_to_async(Device.objects.filter(id=stranger.device.id).update)(token_hash="1" * 64)
    revoked, other, watch = Phone(client.device), Phone(stranger.device), Watch(every_s=0.01)
    watch.socket_opened()
    await asyncio.sleep(0.1)
    assert not revoked.shut.is_set()
    await sync_to_async(revoke_elsewhere)(client.device.id)
    await asyncio.wait_for(revoked.shut.wait(), 10)
    assert not other.shut.is_set()
    sockets.remove(revoked.socket)
    sockets.remove(other.socket)
    watch.socket_closed()


async def test_it_is_there_only_as_long_as_there_are_sockets(client: Client) -> None:
    watch = Watch(every_s=60)
    phones = [Phone(client.device), Phone(client.device)]
    watch.socket_opened()
    task = watch._task
    watch.socket_opened()
    assert watch._task is task is not None, "one for all"
    sockets.remove(phones[0].socket)
    watch.socket_closed()
    assert not task.cancelling()
    sockets.remove(phones[1].socket)
    watch.socket_closed()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_goes_on_after_a_failure(client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    phone, watch, failed, loop = Phone(client.device), Watch(every_s=0.01), asyncio.Event(), asyncio.get_running_loop()

    def broken(devices: set[UUID]) -> set[UUID]:
        loop.call_soon_threadsafe(failed.set)
        raise RuntimeError("no database")

    with monkeypatch.context() as patched:
        patched.setattr("chat.watch._look", broken)
        watch.socket_opened()
        await asyncio.wait_for(failed.wait(), 10)
    await sync_to_async(revoke_elsewhere)(client.device.id)
    await asyncio.wait_for(phone.shut.wait(), 10)
    assert "no database" in caplog.text
    sockets.remove(phone.socket)
    watch.socket_closed()
    caplog.clear()


async def test_whose_socket_stays_open_is_seen(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "EVERY", timedelta(0))
    phone, watch, written, loop, write = Phone(client.device), Watch(every_s=0.01), asyncio.Event(), asyncio.get_running_loop(), presence.write

    def writing() -> None:
        write()
        loop.call_soon_threadsafe(written.set)

    monkeypatch.setattr(presence, "write", writing)
    watch.socket_opened()
    await asyncio.wait_for(written.wait(), 10)
    assert (await Device.objects.aget(id=client.device.id)).last_seen_at is not None
    sockets.remove(phone.socket)
    watch.socket_closed()


def test_who_is_gone(db: None, django_assert_num_queries: object) -> None:
    owner = Owner.objects.create(name="somebody")
    paired = Device.objects.create(owner=owner, token_hash="a" * 64)
    revoked = Device.objects.create(owner=owner, token_hash="b" * 64, revoked_at=timezone.now())
    host = Device.objects.create(owner=owner, revoked_at=timezone.now())
    removed = Device(owner=owner)
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert gone({paired.id, revoked.id, host.id, removed.id}) == {revoked.id, removed.id}
