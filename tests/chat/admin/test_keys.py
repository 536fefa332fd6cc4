from __future__ import annotations

import re

from django.contrib.admin.models import LogEntry
from django.test import Client as Browser

from chat import call_records, keys
from chat.identity import Client, identify_key
from chat.models import Device, Owner, Run

KEYS, DEVICES = "/admin/chat/apikey/", "/admin/chat/device/"


def test_a_superuser_makes_one_for_anybody_and_sees_it_once(owner: Browser, client: Client) -> None:
    assert "New key" in owner.get(f"{KEYS}add/").content.decode()
    made = owner.post(f"{KEYS}add/", {"name": "editor", "owner": str(client.owner)})
    plain = re.search(r"sk-llmsite-[\w-]+", made.content.decode())
    assert plain
    found = identify_key(plain[0], "", open_to_all=False)
    assert found is not None
    assert found.owner == client.owner
    assert LogEntry.objects.get().change_message == "made"
    listed = owner.get(KEYS).content.decode()
    assert "editor" in listed
    assert plain[0] not in listed


def test_what_is_missing_is_said_in_the_form(owner: Browser, client: Client) -> None:
    assert owner.post(f"{KEYS}add/", {"name": "", "owner": str(client.owner)}).status_code == 200
    Owner.objects.create(kind=Owner.Kind.OPEN)
    assert owner.post(f"{KEYS}add/", {"name": "x", "owner": str(Owner.objects.get(kind="open").id)}).status_code == 200
    assert not Device.objects.filter(kind="key").exists()


def test_keys_and_devices_stand_in_lists_of_their_own(owner: Browser, client: Client) -> None:
    made, _ = keys.new_key(owner=client.device.owner, name="editor")
    assert str(made.id) in owner.get(KEYS).content.decode()
    assert str(made.id) not in owner.get(DEVICES).content.decode()
    assert str(client.device.id) not in owner.get(KEYS).content.decode()


def test_one_is_revoked_as_a_device_is(owner: Browser, client: Client) -> None:
    made, _ = keys.new_key(owner=client.device.owner, name="editor")
    assert b"worth nothing" in owner.get(f"{KEYS}revoke/?id={made.id}").content
    assert owner.post(f"{KEYS}revoke/", {"id": [str(made.id)]}).headers["location"] == KEYS
    made.refresh_from_db()
    assert made.revoked_at is not None


def test_who_may_only_look_makes_none(guest: Browser, client: Client) -> None:
    assert guest.get(f"{KEYS}add/").status_code == 403
    assert guest.post(f"{KEYS}add/", {"name": "x", "owner": str(client.owner)}).status_code == 403


def test_a_call_that_was_not_stored_stands_among_the_runs(owner: Browser, client: Client) -> None:
    run = call_records.begin(device=client.device, model="fake", options={"user": "u1"})
    call_records.finish(run=run, pieces=[], finish_reason="stop", thinking_s=None, prompt="secret", prompt_tokens=7)
    assert "call, not stored" in owner.get("/admin/chat/run/").content.decode().replace("&#x27;", "'")
    page = owner.get(f"/admin/chat/run/{run.id}/change/").content.decode()
    assert "u1" in page
    assert "secret" not in page
    assert Run.objects.get().prompt_tokens == 7
