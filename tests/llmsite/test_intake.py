"""How many requests are taken, and how large they may be."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.asgi import get_asgi_application
from httpx2 import ASGITransport, AsyncClient

from chat import limits
from chat.exporting import FORMAT, VERSION
from chat.limits import Limiter, Limits
from chat.pairing import new_code, redeem
from llmsite.intake import BODY_BYTES, IMPORT, BodyLimit, address_for_logins
from tests.llmsite.test_security import HOST, policy


def browser(address: str = "192.168.1.7", **headers: str) -> AsyncClient:
    transport = ASGITransport(get_asgi_application(), client=(address, 5))
    return AsyncClient(transport=transport, base_url=f"http://{HOST}", headers={"accept-language": "en", **headers})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = Limiter(Limits(requests_per_minute=10, pairings_per_minute=2), clock=lambda: 0.0)  # no time passes, however slow the machine is
    monkeypatch.setattr(limits, "shared", lambda: limiter)


@pytest.fixture
async def token(transactional_db: None) -> str:
    return await sync_to_async(lambda: redeem(code=new_code().code, name="phone")[1])()


async def test_a_device_that_asks_too_much_is_told_when_to_go_on(few: None, token: str) -> None:
    async with browser(authorization=f"Bearer {token}") as phone:
        statuses = [(await phone.get("/api/me")).status_code for _ in range(11)]
        refused = await phone.get("/api/me")
    assert statuses == [200] * 10 + [429]
    assert refused.json()["code"] == "too_many_requests"
    assert refused.headers["Retry-After"] == str(refused.json()["retry_after_s"])
    assert "Too many requests" in refused.json()["message"]


async def test_another_device_at_the_same_address_goes_on(few: None, token: str) -> None:
    other = await sync_to_async(lambda: redeem(code=new_code().code, name="tablet")[1])()
    async with browser(authorization=f"Bearer {token}") as phone, browser(authorization=f"Bearer {other}") as tablet:
        for _ in range(11):
            await phone.get("/api/me")
        assert (await tablet.get("/api/me")).status_code == 200


async def test_an_address_that_nobody_knows_is_stopped(few: None, transactional_db: None) -> None:
    async with browser() as stranger, browser("192.168.1.8") as another:
        statuses = [(await stranger.get("/api/me")).status_code for _ in range(41)]
        assert (await another.get("/api/me")).status_code == 401
    assert statuses == [401] * 40 + [429]


async def test_made_up_tokens_do_not_help(few: None, transactional_db: None) -> None:
    async with browser() as stranger:
        statuses = [(await stranger.get("/api/me", headers={"authorization": f"Bearer {i}"})).status_code for i in range(41)]
    assert statuses[-1] == 429


@pytest.mark.parametrize(("language", "said"), [("en", "Too many attempts to pair"), ("zh", "配对尝试次数太多")])
async def test_guessing_codes_is_slow_and_said_in_words(few: None, transactional_db: None, language: str, said: str) -> None:
    async with browser(**{"accept-language": language}) as stranger:
        answers = [await stranger.post("/api/pair", json={"code": "x" * 22, "name": "n"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [403, 403, 429]
    assert said in answers[2].json()["message"]


@pytest.mark.parametrize(("language", "said"), [("en", "Too many requests"), ("zh", "请求太多")])
async def test_a_person_gets_a_page(few: None, transactional_db: None, language: str, said: str) -> None:
    async with browser(accept="text/html", **{"accept-language": language}) as stranger:
        for _ in range(40):
            await stranger.get("/")
        page = await stranger.get("/")
    assert page.status_code == 429
    assert page.headers["Retry-After"] == "2"
    assert said in page.text
    assert policy(page)["default-src"] == ["'none'"]


async def test_an_import_is_counted_by_its_length(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    limiter = Limiter(Limits(characters_per_day=100_000), clock=lambda: 0.0)
    monkeypatch.setattr(limits, "shared", lambda: limiter)
    async with browser(authorization=f"Bearer {token}") as phone:
        texts = [{"id": "1", "role": "user", "content": "x" * length} for length in (99_000, 5_000)]
        large, small = ({"format": FORMAT, "version": VERSION, "messages": [text]} for text in texts)
        assert (await phone.post("/api/conversations/import", json=large)).status_code == 201
        refused = await phone.post("/api/conversations/import", json=small)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_much_today")


async def test_files_and_health_cost_nothing(few: None, transactional_db: None) -> None:
    async with browser() as stranger:
        for _ in range(50):
            assert (await stranger.get("/static/chat/nothing.js")).status_code == 404


def forward(**headers: str) -> Any:
    scope = {"client": ("127.0.0.1", 5), "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]}
    return type("Request", (), {"scope": scope, "META": {}})()


def test_wrong_passwords_are_counted_by_addresses_that_nobody_can_make_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_for_logins(forward(host="localhost")) == "127.0.0.1"
    assert {address_for_logins(forward(host="localhost", x_forwarded_for=ip)) for ip in ("1.2.3.4", "5.6.7.8")} == {"0.0.0.0"}  # noqa: S104
    monkeypatch.setattr(settings, "CONFIG", dataclasses.replace(settings.CONFIG, https=True))
    assert address_for_logins(forward(host="localhost", x_forwarded_for="1.2.3.4")) == "127.0.0.1", (
        "who serves has put the proxy's word into the scope"
    )


async def send_body(size: int, *, path: str = "/", chunk: int = 1 << 16, announced: bool = False) -> tuple[list[dict[str, Any]], int]:
    """What a limited application answers to a body, and how much of it was read."""
    sent, read = [], 0

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, chunk):
            yield b"x" * min(chunk, size - start)

    body = chunks()

    async def receive() -> dict[str, Any]:
        nonlocal read
        part = await anext(body, b"")
        read += len(part)
        return {"type": "http.request", "body": part, "more_body": read < size}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-length", str(size).encode())] if announced else []
    await BodyLimit(application, import_bytes=2 << 20)({"type": "http", "path": path, "headers": headers}, receive, send)
    return sent, read


@pytest.mark.parametrize(("path", "limit"), [("/", BODY_BYTES), (IMPORT, 2 << 20), (IMPORT + "/", BODY_BYTES)])
async def test_a_body_may_be_as_large_as_its_path_allows(path: str, limit: int) -> None:
    assert (await send_body(limit, path=path))[0][0]["status"] == 200
    sent, read = await send_body(limit + 1, path=path, announced=True)
    assert (sent[0]["status"], read) == (413, 0)
    assert "too large" in sent[1]["body"].decode()


async def test_a_body_without_an_end_is_not_taken_in() -> None:
    sent, read = await send_body(100 << 20)
    assert sent[0]["status"] == 413
    assert read <= BODY_BYTES + (1 << 16)
