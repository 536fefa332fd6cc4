from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chat.models import Device, PairingCode
from chat.presets import PRESETS
from chat.protocol import MAX_MESSAGE_CHARS, VERSION
from tests.chat.api import HOME, Person, ask, chat, code_and_message, pair


@pytest.fixture
def person(transactional_db: None) -> Person:
    return pair("phone")


async def test_me(person: Person) -> None:
    me = (await ask("GET", "me", token=person.token, language="zh-CN")).json()
    assert me == {
        "owner": str(person.device.owner_id),
        "device": {"id": str(person.device.id), "name": "phone"},
        "host": False,
        "open": False,
        "lang": "zh-hans",
        "max_chars": MAX_MESSAGE_CHARS,
        "presets": {name: values.said() for name, values in PRESETS.items()},
        "version": VERSION,
        "address_name": "desk.local",
    }


async def test_the_computers_own_browser(person: Person) -> None:
    me = (await ask("GET", "me", host=HOME)).json()
    assert (me["host"], me["lang"]) == (True, "en")
    with_a_token = (await ask("GET", "me", host=HOME, token=person.token)).json()
    assert (with_a_token["host"], with_a_token["owner"]) == (False, str(person.device.owner_id)), "a paired app on this computer is that app"


async def second_device(person: Person) -> dict[str, Any]:
    made = (await ask("POST", "pairing-codes", token=person.token)).json()
    response = await ask("POST", "pair", json={"code": made["code"], "name": " my \n tablet "})
    assert response.status_code == 200
    paired: dict[str, Any] = response.json()
    return paired


async def test_an_app_pairs_with_a_code_of_its_person(person: Person) -> None:
    conversation = str((await sync_to_async(chat)(person)).conversation)
    made = (await ask("POST", "pairing-codes", token=person.token)).json()
    assert made["urls"] == [f"http://192.168.1.7:8000/pair/?code={made['code']}"], "the address that it came by"
    at_home = (await ask("POST", "pairing-codes", host=HOME)).json()
    assert [url.partition("?")[0] for url in at_home["urls"]] == ["http://192.168.1.7:8000/pair/"], "no phone reaches 127.0.0.1"
    paired = (await ask("POST", "pair", json={"code": made["code"], "name": " my \n tablet "})).json()
    assert paired["owner"] == str(person.device.owner_id)
    me = (await ask("GET", "me", token=paired["token"])).json()
    assert me["device"] == {"id": paired["device"], "name": "my tablet"}
    assert (await ask("GET", f"conversations/{conversation}", token=paired["token"])).status_code == 200
    again = await ask("POST", "pair", json={"code": made["code"], "name": "thief"})
    assert code_and_message(again) == (403, "code_refused", "This code is not valid any more. Ask for a new one.")


async def test_a_code_that_is_too_old_or_made_up(person: Person) -> None:
    made = (await ask("POST", "pairing-codes", token=person.token)).json()
    await PairingCode.objects.aupdate(expires_at=timezone.now() - timedelta(seconds=1))
    for code in (made["code"], "made-up", "x" * 200):
        response = await ask("POST", "pair", json={"code": code}, language="zh-CN")
        assert code_and_message(response) == (403, "code_refused", "这个配对码已失效，请重新获取。")


async def test_a_persons_devices(person: Person) -> None:
    await sync_to_async(pair)("stranger's")
    paired = await second_device(person)
    rows = (await ask("GET", "devices", token=paired["token"])).json()
    assert [(row["name"], row["this"], row["revoked_at"]) for row in rows] == [("my tablet", True, None), ("phone", False, None)]
    everybody = (await ask("GET", "devices", host=HOME)).json()
    assert {row["name"] for row in everybody} == {"my tablet", "phone", "stranger's"}


async def test_renaming(person: Person) -> None:
    path = f"devices/{person.device.id}"
    for response in (
        await ask("PATCH", path, token=person.token, json={"name": "kitchen"}),
        await ask("PATCH", path, host=HOME, json={"name": "厨房"}),
    ):
        assert response.status_code == 200
    row = response.json()
    assert (row["id"], row["name"], row["this"]) == (str(person.device.id), "厨房", False)
    assert code_and_message(await ask("PATCH", path, host=HOME, json={"name": " "}))[:2] == (422, "no_name")


async def test_revoking_one_of_ones_own(person: Person) -> None:
    paired = await second_device(person)
    path = f"devices/{paired['device']}"
    assert (await ask("DELETE", path, token=person.token)).status_code == 204
    assert (await ask("GET", "me", token=paired["token"])).status_code == 401
    assert (await ask("DELETE", path, token=person.token)).status_code == 404, "it is revoked already"
    assert (await ask("GET", "me", token=person.token)).status_code == 200


async def test_a_browser_that_shuts_itself_out_loses_its_cookie(person: Person) -> None:
    paired = await second_device(person)
    another = await ask("DELETE", f"devices/{paired['device']}", token=person.token)
    assert "set-cookie" not in another.headers
    itself = await ask("DELETE", f"devices/{person.device.id}", token=person.token)
    assert itself.status_code == 204
    assert 'llmsite_device=""' in itself.headers["set-cookie"]
    assert "Max-Age=0" in itself.headers["set-cookie"]


async def test_the_computer_itself_revokes_anybodys(person: Person) -> None:
    assert (await ask("DELETE", f"devices/{person.device.id}", host=HOME)).status_code == 204
    assert (await ask("GET", "me", token=person.token)).status_code == 401


async def test_a_revoked_device_is_shut_out_of_its_open_sockets(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    shut: list[Any] = []
    monkeypatch.setattr("chat.sockets.close_device", shut.append)
    await ask("DELETE", f"devices/{person.device.id}", token=person.token)
    assert shut == [person.device.id]


async def test_the_computers_own_browser_cannot_be_revoked(transactional_db: None) -> None:
    me = (await ask("GET", "me", host=HOME)).json()
    assert code_and_message(await ask("DELETE", f"devices/{me['device']['id']}", host=HOME))[:2] == (404, "no_device")
    assert not await Device.objects.filter(revoked_at__isnull=False).aexists()
    assert (await ask("DELETE", f"devices/{uuid4()}", host=HOME)).status_code == 404
