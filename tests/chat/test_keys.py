from __future__ import annotations

import pytest

from chat import keys, people
from chat.identity import Caller, identify, identify_key
from chat.models import Device, Owner
from chat.services import Refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Owner:
    return Owner.objects.create(name="Anna")


def test_a_key_opens_v1_for_its_person_and_nothing_else(anna: Owner) -> None:
    made, plain = keys.new_key(owner=anna, name="  my   editor ")
    assert made.name == "my editor"
    assert plain.startswith(keys.PREFIX)
    assert len(plain) > 50
    client = identify_key(plain, "192.168.1.5", open_to_all=False)
    assert client is not None
    assert (client.device, client.owner) == (made, anna.id)
    assert identify(Caller("192.168.1.5", "192.168.1.2:8000", plain, False), open_to_all=False) is None


def test_only_a_hash_is_stored(anna: Owner) -> None:
    made, plain = keys.new_key(owner=anna, name="editor")
    assert plain not in str(Device.objects.filter(id=made.id).values())
    assert len(made.token_hash or "") == 64


def test_what_is_no_key_opens_nothing(anna: Owner) -> None:
    made, plain = keys.new_key(owner=anna, name="editor")
    phone = Device.objects.create(owner=anna, token_hash=made.token_hash and "0" * 64)
    for wrong in ("", plain[:-1], plain + "x", phone.token_hash or "", made.token_hash or ""):
        assert identify_key(wrong, "127.0.0.1", open_to_all=False) is None
    people.revoke_device(device=made.id)
    assert identify_key(plain, "127.0.0.1", open_to_all=False) is None


def test_with_open_nobody_needs_one_and_a_good_one_still_counts(anna: Owner) -> None:
    _, plain = keys.new_key(owner=anna, name="editor")
    anybody, known = identify_key("x", "192.168.1.5", open_to_all=True), identify_key(plain, "192.168.1.5", open_to_all=True)
    assert anybody is not None
    assert known is not None
    assert (anybody.device.owner.kind, anybody.fair) == (Owner.Kind.OPEN, "192.168.1.5")
    assert known.owner == anna.id


def test_there_is_an_end_to_making_keys(anna: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 2)
    first, _ = keys.new_key(owner=anna, name="a")
    keys.new_key(owner=anna, name="b")
    with pytest.raises(Refused, match="too_many_keys"):
        keys.new_key(owner=anna, name="c")
    people.revoke_device(device=first.id)
    assert keys.new_key(owner=anna, name="c")


def test_a_key_is_somebodys_and_has_a_name(anna: Owner) -> None:
    with pytest.raises(Refused, match="no_name"):
        keys.new_key(owner=anna, name="  ")
    with pytest.raises(Refused, match="nobody_to_pair"):
        keys.new_key(owner=Owner.objects.create(kind=Owner.Kind.OPEN), name="a")
