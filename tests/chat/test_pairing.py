from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from chat import pairing
from chat.models import Device, PairingCode


def test_a_code_makes_one_device_once(db: None) -> None:
    new = pairing.new_code()
    device, token = pairing.redeem(code=new.code, name="phone")
    assert device.name == "phone"
    assert pairing.code_was_used(new.code) == device
    with pytest.raises(pairing.CodeRefused):
        pairing.redeem(code=new.code, name="second")
    assert Device.objects.count() == 1
    stored = "".join(str(value) for row in (*Device.objects.values_list(), *PairingCode.objects.values_list()) for value in row)
    assert token not in stored
    assert new.code not in stored


def test_a_code_grows_old(db: None) -> None:
    new = pairing.new_code()
    PairingCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(pairing.CodeRefused):
        pairing.redeem(code=new.code, name="late")


def test_a_guess_is_refused(db: None) -> None:
    pairing.new_code()
    for guess in ("", "x" * 22):
        with pytest.raises(pairing.CodeRefused):
            pairing.redeem(code=guess, name="guess")


def test_old_codes_are_cleared_away(db: None) -> None:
    pairing.new_code()
    PairingCode.objects.update(expires_at=timezone.now() - timedelta(days=2))
    pairing.new_code()
    assert PairingCode.objects.count() == 1
