from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from chat import pairing
from chat.models import Device, Owner, PairingCode


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
    assert pairing.plain(new.code) not in stored


def test_a_code_can_be_read_aloud_and_typed(db: None) -> None:
    codes = {pairing.new_code().code for _ in range(50)}
    assert len(codes) == 50
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code) for code in codes)
    assert len(pairing.ALPHABET) ** pairing.LENGTH == 2**40
    assert pairing.plain(" abcd efg-o1 ") == pairing.plain("ABCD-EFG0I") == "ABCDEFG01"
    code = codes.pop()
    device, _ = pairing.redeem(code=f" {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')} ", name="by hand")
    assert pairing.code_was_used(code) == device


def test_a_code_grows_old(db: None) -> None:
    new = pairing.new_code()
    PairingCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(pairing.CodeRefused):
        pairing.redeem(code=new.code, name="late")


def test_a_guess_is_refused(db: None) -> None:
    pairing.new_code()
    for guess in ("", "x" * 8, "0" * 10_000):
        with pytest.raises(pairing.CodeRefused):
            pairing.redeem(code=guess, name="guess")


def test_old_codes_are_cleared_away(db: None) -> None:
    pairing.new_code()
    PairingCode.objects.update(expires_at=timezone.now() - timedelta(days=2))
    pairing.new_code()
    assert PairingCode.objects.count() == 1


def test_there_are_never_many_codes_to_guess(db: None) -> None:
    codes = [pairing.new_code() for _ in range(pairing.MOST + 2)]
    assert PairingCode.objects.count() == pairing.MOST
    assert [pairing.state_of(code.id).state for code in (codes[0], codes[1], codes[2], codes[-1])] == ["unknown", "unknown", "waiting", "waiting"]


def test_a_code_for_a_person_makes_a_further_device_of_theirs(db: None) -> None:
    first, _ = pairing.redeem(code=pairing.new_code().code, name="phone")
    second, _ = pairing.redeem(code=pairing.new_code(owner=first.owner).code, name="tablet")
    other, _ = pairing.redeem(code=pairing.new_code().code, name="somebody else")
    assert second.owner == first.owner != other.owner
    assert Owner.objects.filter(kind=Owner.Kind.PERSON).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_browser_that_is_paired_anew_leaves_its_old_device() -> None:
    old, _ = pairing.redeem(code=pairing.new_code().code, name="phone")
    with pytest.raises(pairing.CodeRefused):
        pairing.redeem(code="guess", name="phone", replaces=old)
    old.refresh_from_db()
    assert old.revoked_at is None, "a code that does not work changes nothing"
    new, _ = pairing.redeem(code=pairing.new_code(owner=old.owner).code, name="phone", replaces=old)
    old.refresh_from_db()
    assert old.revoked_at is not None
    assert (new.owner, new.revoked_at) == (old.owner, None)


def test_this_computers_own_device_is_never_replaced(db: None) -> None:
    host = Device.objects.create(owner=Owner.objects.create(kind=Owner.Kind.HOST))
    pairing.redeem(code=pairing.new_code().code, name="browser", replaces=host)
    host.refresh_from_db()
    assert host.revoked_at is None


def test_what_became_of_a_code(db: None) -> None:
    owner = Owner.objects.create(name="Anna")
    waiting, old, used = pairing.new_code(), pairing.new_code(), pairing.new_code(owner=owner)
    PairingCode.objects.filter(id=old.id).update(expires_at=timezone.now())
    pairing.redeem(code=used.code, name="Anna's phone")
    assert [pairing.state_of(code.id).state for code in (waiting, old, used)] == ["waiting", "expired", "used"]
    assert pairing.state_of(used.id) == pairing.CodeState("used", "Anna's phone")
    assert pairing.state_of(used.id, owner=owner.id).device == "Anna's phone"
    for foreign in (waiting, old):
        assert pairing.state_of(foreign.id, owner=owner.id) == pairing.state_of(10**9, owner=owner.id) == pairing.CodeState("unknown")


def test_people_and_their_devices(db: None) -> None:
    anna, _ = pairing.redeem(code=pairing.new_code().code, name="Anna")
    ben, _ = pairing.redeem(code=pairing.new_code().code, name="Ben")
    tablet, _ = pairing.redeem(code=pairing.new_code(owner=anna.owner).code, name="tablet")
    host = Owner.objects.create(kind=Owner.Kind.HOST)
    Device.objects.create(owner=host)
    Device.objects.create(owner=Owner.objects.create(kind=Owner.Kind.OPEN))
    Device.objects.filter(id=ben.id).update(revoked_at=timezone.now())
    assert [(person.owner, person.devices) for person in pairing.people()] == [(host, []), (ben.owner, []), (anna.owner, [tablet, anna])]
    assert [(person.owner, person.devices) for person in pairing.people(anna.owner_id)] == [(anna.owner, [tablet, anna])]
