from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from chat import pairing
from chat.identity import caller_of, identify
from chat.models import Device, Owner


def scope(address: str = "192.168.1.7", **headers: str) -> dict[str, Any]:
    return {"client": (address, 5), "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]}


LOOPBACK = scope("127.0.0.1", host="localhost:8000")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "llm.localhost"])
def test_the_computers_own_browser_is_the_owner(db: None, host: str) -> None:
    client = identify(caller_of(scope("127.0.0.1", host=host)), open_to_all=False)
    assert client is not None
    assert client.device.owner.kind == Owner.Kind.HOST


@pytest.mark.parametrize(
    "foreign",
    [
        scope("192.168.1.7", host="localhost:8000"),
        scope("127.0.0.1", host="evil.example"),  # a name re-bound to 127.0.0.1
        scope("127.0.0.1", host="192.168.1.2:8000"),
        scope("127.0.0.1", host="localhost", x_forwarded_for="8.8.8.8"),
        scope("127.0.0.1", host="localhost", forwarded="for=8.8.8.8"),
        scope("127.0.0.1", host="localhost", via="1.1 proxy"),
        scope("127.0.0.1"),
        scope("not an address", host="localhost"),
    ],
)
def test_nobody_else_is(db: None, foreign: dict[str, Any]) -> None:
    assert identify(caller_of(foreign), open_to_all=False) is None


def test_open_lets_all_share_one_owner_and_wait_apart(db: None) -> None:
    first, second = (identify(caller_of(scope(address)), open_to_all=True) for address in ("192.168.1.7", "192.168.1.8"))
    assert first is not None
    assert second is not None
    assert first.owner == second.owner
    assert first.fair != second.fair
    host = identify(caller_of(LOOPBACK), open_to_all=True)
    assert host is not None
    assert host.owner != first.owner


def test_a_paired_phone_is_known_by_cookie_or_header(db: None) -> None:
    device, token = pairing.redeem(code=pairing.new_code().code, name="phone")
    for paired in (scope(cookie=f"a=b; llmsite_device={token}"), scope(authorization=f"Bearer {token}")):
        client = identify(caller_of(paired), open_to_all=False)
        assert client is not None
        assert client.device == device
    assert identify(caller_of(scope(cookie="llmsite_device=guess")), open_to_all=False) is None
    Device.objects.update(revoked_at=timezone.now())
    assert identify(caller_of(scope(authorization=f"Bearer {token}")), open_to_all=False) is None


def test_the_same_device_each_time(db: None) -> None:
    clients = [identify(caller_of(LOOPBACK), open_to_all=False) for _ in range(2)]
    assert clients[0] == clients[1]
    assert Device.objects.count() == 1
