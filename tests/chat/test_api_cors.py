"""Pages of other sites: closed, but for those that cors_origins names, and those have no rights but their token's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chat.identity import COOKIE
from tests.chat.api import HOME, Person, ask, code_and_message, pair

NAMED, OTHER = "https://app.example", "https://evil.example"
FILE = {"format": "llmsite-conversation", "version": 1, "messages": []}


@pytest.fixture
def person(transactional_db: None) -> Person:
    return pair()


@pytest.fixture
def named(settings: Any) -> None:
    settings.CONFIG = replace(settings.CONFIG, cors_origins=(NAMED,))
    settings.CORS_ALLOWED_ORIGINS = [NAMED]


def preflight(origin: str, method: str = "PATCH") -> dict[str, str]:
    return {"origin": origin, "access-control-request-method": method, "access-control-request-headers": "authorization,content-type"}


async def test_closed_by_default(person: Person) -> None:
    answer = await ask("OPTIONS", "conversations", headers=preflight(OTHER))
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    read = await ask("GET", "conversations", token=person.token, headers={"origin": OTHER})
    assert "access-control-allow-origin" not in read.headers, "the browser keeps the answer from the page"


async def test_a_named_page_may_ask_and_read(person: Person, named: None) -> None:
    conversation = (await ask("POST", "conversations/import", token=person.token, json=FILE)).json()["id"]
    answer = await ask("OPTIONS", f"conversations/{conversation}", headers=preflight(NAMED))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == NAMED
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers
    changed = await ask("PATCH", f"conversations/{conversation}", token=person.token, json={"title": "x"}, headers={"origin": NAMED})
    assert changed.status_code == 200
    assert changed.headers["access-control-allow-origin"] == NAMED
    assert "content-disposition" in changed.headers["access-control-expose-headers"]
    assert "origin" in changed.headers["vary"].lower()


async def test_another_page_may_not(person: Person, named: None) -> None:
    answer = await ask("OPTIONS", "conversations", headers=preflight(OTHER))
    assert "access-control-allow-origin" not in answer.headers
    refused = await ask("POST", "conversations/import", token=person.token, json=FILE, headers={"origin": OTHER})
    assert code_and_message(refused)[:2] == (403, "foreign_origin")


async def test_a_named_page_has_no_cookie_and_not_this_computers_rights(person: Person, named: None) -> None:
    """Whoever wrote that page has only what its person gives it: a token."""
    cookie = {"cookie": f"{COOKIE}={person.token}"}
    for method, path in (("GET", "conversations"), ("POST", "conversations/import")):
        for sent, host in ((cookie, "192.168.1.7:8000"), (cookie, HOME), ({}, HOME)):
            response = await ask(method, path, json=FILE, host=host, headers={"origin": NAMED} | sent)
            assert code_and_message(response)[:2] == (401, "not_paired"), (method, host)


async def test_a_named_page_is_not_let_in_by_open_either(named: None, settings: Any, transactional_db: None) -> None:
    settings.CONFIG = replace(settings.CONFIG, open=True)
    assert (await ask("GET", "conversations", headers={"origin": NAMED})).status_code == 401
    assert (await ask("GET", "conversations")).status_code == 200


async def test_only_the_api_is_opened(person: Person, named: None) -> None:
    await ask("GET", "me", token=person.token)
    chat_page = await ask("GET", "../", token=person.token, headers={"origin": NAMED})
    assert chat_page.status_code == 200
    assert "access-control-allow-origin" not in chat_page.headers
