from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import OperationalError, close_old_connections
from django.utils import timezone

from chat import presence
from chat.identity import caller_of, identify
from chat.models import Device
from chat.pairing import new_code, redeem


@pytest.fixture
def token(db: None) -> str:
    return redeem(code=new_code().code, name="phone")[1]


def ask(token: str) -> None:
    scope = {"client": ("192.168.1.7", 1), "headers": [(b"authorization", f"Bearer {token}".encode())]}
    assert identify(caller_of(scope), open_to_all=False) is not None


def test_who_asked_is_written_down_behind_the_answer(token: str) -> None:
    ask(token)
    assert Device.objects.get().last_seen_at is None
    request_finished.disconnect(close_old_connections)  # as Django's test client does: the connection is the test's
    try:
        request_finished.send(sender=None)
    finally:
        request_finished.connect(close_old_connections)
    assert timezone.now() - Device.objects.get().last_seen_at < timedelta(seconds=5)


def test_at_most_once_a_minute(token: str, django_assert_num_queries: Any) -> None:
    ask(token)
    presence.write()
    with django_assert_num_queries(0):
        presence.write()
    ask(token)
    with django_assert_num_queries(0):
        presence.write()
    Device.objects.update(last_seen_at=timezone.now() - presence.EVERY)
    ask(token)
    with django_assert_num_queries(1):
        presence.write()


def test_a_database_that_refuses_stops_no_answer(token: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def locked(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("database is locked")

    ask(token)
    with monkeypatch.context() as patched:
        patched.setattr(Device.objects, "filter", locked)
        presence.write()
    assert "database is locked" in caplog.text
    ask(token)
    presence.write()
    assert Device.objects.get().last_seen_at is not None
