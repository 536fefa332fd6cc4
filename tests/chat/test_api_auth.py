"""Every route, asked by those who may not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chat.api.router import api
from chat.identity import COOKIE
from chat.models import Conversation, Device, Feedback, Persona
from tests.chat.api import HOME, Person, ask, chat, code_and_message, pair

EXPORT = {"format": "llmsite-conversation", "version": 1, "messages": []}
NEW = {"name": "Pirate"}

# (method, path, body); {c}, {m}, {d}, {p}: a conversation, its answer, a device, a persona
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "me", None),
    ("GET", "conversations", None),
    ("GET", "changes", None),
    ("POST", "conversations/import", EXPORT),
    ("GET", "conversations/{c}", None),
    ("PATCH", "conversations/{c}", {"title": "mine"}),
    ("DELETE", "conversations/{c}", None),
    ("POST", "conversations/{c}/restore", None),
    ("GET", "conversations/{c}/messages", None),
    ("GET", "conversations/{c}/export", None),
    ("GET", "search?q=because", None),
    ("GET", "messages/{m}", None),
    ("PUT", "messages/{m}/feedback", {"rating": 1}),
    ("DELETE", "messages/{m}/feedback", None),
    ("GET", "models", None),
    ("GET", "personas", None),
    ("POST", "personas", NEW),
    ("PATCH", "personas/{p}", NEW),
    ("DELETE", "personas/{p}", None),
    ("GET", "devices", None),
    ("PATCH", "devices/{d}", {"name": "mine"}),
    ("DELETE", "devices/{d}", None),
    ("POST", "pairing-codes", None),
]
ids = [f"{method} {path}" for method, path, _ in ROUTES]
anothers = [route for route in ROUTES if re.search(r"{[cmd]}", route[1])]
host_only = [route for route in ROUTES if "personas" in route[1] and route[0] != "GET"]
unsafe = [route for route in ROUTES if route[0] != "GET"]


@pytest.fixture
def owner(transactional_db: None) -> Person:
    return pair("owner's phone")


@pytest.fixture
def places(owner: Person) -> dict[str, str]:
    new = chat(owner)
    return {"c": str(new.conversation), "m": str(new.message), "d": str(owner.device.id), "p": str(Persona.objects.create(name="Chef").id)}


@pytest.fixture
def stranger(transactional_db: None) -> Person:
    return pair("stranger's phone")


def test_the_routes_are_all_there_are() -> None:
    documented = {(method.upper(), path) for path, methods in api.get_openapi_schema()["paths"].items() for method in methods}
    names = {"c": "{conversation}", "m": "{message}", "d": "{device}", "p": "{persona}"}
    listed = {(method, "/api/" + path.partition("?")[0].format(**names)) for method, path, _ in ROUTES}
    assert documented == listed | {("POST", "/api/pair")}


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=ids)
async def test_without_pairing_nothing(places: dict[str, str], method: str, path: str, body: Any) -> None:
    response = await ask(method, path.format(**places), json=body)
    assert code_and_message(response)[:2] == (401, "not_paired")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=ids)
async def test_a_revoked_device_is_a_stranger(owner: Person, places: dict[str, str], method: str, path: str, body: Any) -> None:
    await Device.objects.filter(id=owner.device.id).aupdate(revoked_at=timezone.now())
    response = await ask(method, path.format(**places), json=body, token=owner.token)
    assert code_and_message(response)[:2] == (401, "not_paired")


@pytest.mark.parametrize(("method", "path", "body"), anothers)
async def test_what_is_anothers_is_not_there(stranger: Person, places: dict[str, str], method: str, path: str, body: Any) -> None:
    before = await sync_to_async(stored)()
    response = await ask(method, path.format(**places), json=body, token=stranger.token)
    unknown = await ask(method, path.format(**dict.fromkeys(places, "00000000-0000-4000-8000-000000000000")), json=body, token=stranger.token)
    assert response.status_code == 404
    assert response.content == unknown.content, "the same as of what has never been"
    assert await sync_to_async(stored)() == before


@pytest.mark.parametrize(("method", "path", "body"), host_only)
async def test_only_the_computer_itself_writes_personas(owner: Person, places: dict[str, str], method: str, path: str, body: Any) -> None:
    response = await ask(method, path.format(**places), json=body, token=owner.token)
    assert code_and_message(response)[:2] == (403, "host_only")
    assert not await Persona.objects.filter(name="Pirate").aexists()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"http://{HOME.split(':')[0]}:9", "https://127.0.0.1.evil.example"])
@pytest.mark.parametrize(("method", "path", "body"), [*unsafe, ("POST", "pair", {"code": "x"})])
async def test_a_page_elsewhere_changes_nothing(places: dict[str, str], method: str, path: str, body: Any, origin: str) -> None:
    """Through the computer's own browser, which is let in without a token."""
    before = await sync_to_async(stored)()
    response = await ask(method, path.format(**places), json=body, host=HOME, headers={"origin": origin})
    assert code_and_message(response)[:2] == (403, "foreign_origin")
    assert await sync_to_async(stored)() == before


async def test_with_open_a_page_elsewhere_changes_nothing_either(places: dict[str, str], opened: None) -> None:
    for origin in ("null", "http://192.168.1.99"):
        response = await ask("POST", "conversations/import", json=EXPORT, headers={"origin": origin})
        assert response.status_code == 403, origin


async def test_our_own_page_may(places: dict[str, str]) -> None:
    response = await ask("POST", "conversations/import", json=EXPORT, host=HOME, headers={"origin": f"http://{HOME}"})
    assert response.status_code == 201


async def test_a_browser_shows_its_cookie_an_app_its_token(owner: Person, places: dict[str, str]) -> None:
    for shown in ({"cookie": f"{COOKIE}={owner.token}"}, {"authorization": f"Bearer {owner.token}"}):
        response = await ask("GET", f"conversations/{places['c']}", headers=shown)
        assert response.status_code == 200, shown


async def test_behind_a_proxy_nobody_is_the_computer_itself(places: dict[str, str]) -> None:
    response = await ask("GET", "me", host=HOME, headers={"x-forwarded-for": "192.168.1.9"})
    assert response.status_code == 401


async def test_a_host_name_of_somebody_elses_is_refused(places: dict[str, str]) -> None:
    """DNS rebinding."""
    assert (await ask("GET", "conversations", host="evil.example")).status_code == 400


@pytest.fixture
def opened(settings: Any) -> None:
    from dataclasses import replace

    settings.CONFIG = replace(settings.CONFIG, open=True)


async def test_with_open_everybody_shares_one_owner(places: dict[str, str], opened: None) -> None:
    assert (await ask("POST", "conversations/import", json=EXPORT | {"title": "shared"})).status_code == 201
    seen = (await ask("GET", "conversations", host="192.168.1.8:8000")).json()
    assert [row["title"] for row in seen["items"]] == ["shared"]
    assert code_and_message(await ask("POST", "pairing-codes"))[:2] == (409, "nobody_to_pair")


def stored() -> list[Any]:
    devices = Device.objects.order_by("pk").values("id", "owner", "name", "revoked_at")
    return [list(devices), *(list(table.objects.order_by("pk").values()) for table in (Conversation, Feedback, Persona))]
