"""`/pair/`: the host sees a QR of an address that works, a phone pairs once, nobody else gets a code."""

from __future__ import annotations

import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from httpx2 import ASGITransport, AsyncClient

from chat.identity import COOKIE
from chat.models import Device, PairingCode
from chat.pairing import new_code

HOST, LAN = "http://127.0.0.1:8000", "http://192.168.1.2:8000"


class Runtime:
    def __init__(self, *urls: str) -> None:
        self.urls = list(urls)

    def phone_urls(self, port: int) -> list[str]:
        return [f"{url}:{port}" for url in self.urls]


def browser(base_url: str = HOST, *urls: str, **headers: str) -> AsyncClient:
    application = get_asgi_application()

    async def with_runtime(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "state": {"runtime": Runtime(*urls)}}, receive, send)

    return AsyncClient(transport=ASGITransport(with_runtime), base_url=base_url, headers=headers)


async def test_the_host_is_shown_an_address_that_phones_can_reach(transactional_db: None) -> None:
    async with browser(HOST, "http://192.168.1.2") as host:
        page = await host.get("/pair/")
    assert page.status_code == 200
    assert re.search(r"http://192\.168\.1\.2:8000/pair/\?code=[\w-]{22}", page.text)
    assert "<svg" in page.text
    assert "no-store" in page.headers["Cache-Control"]


async def test_no_address_no_code(transactional_db: None) -> None:
    async with browser(HOST) as host:
        page = await host.get("/pair/")
    assert "No phone can reach this computer yet" in page.text
    assert "<svg" not in page.text
    assert await PairingCode.objects.acount() == 0


@pytest.mark.parametrize(
    ("named", "shown"), [("llm.example:80", True), ("[fe80::1]:8000", True), ("x/../y", False), ("a@b", False), ('"><b>', False)]
)
async def test_the_owner_may_name_the_address(transactional_db: None, named: str, shown: bool) -> None:
    async with browser(HOST) as host:
        page = await host.get("/pair/", params={"address": named})
    assert (f"http://{named}/pair/?code=" in page.text) is shown
    assert named not in page.text or shown


@pytest.mark.parametrize("foreign", [{"base_url": LAN}, {"x-forwarded-for": "192.168.1.9"}])
async def test_nobody_else_gets_a_code(transactional_db: None, foreign: dict[str, str]) -> None:
    async with browser(foreign.pop("base_url", HOST), "http://192.168.1.2", **foreign) as stranger:
        assert (await stranger.get("/pair/")).status_code == 403
    assert await PairingCode.objects.acount() == 0


async def test_a_phone_pairs_once_by_pressing_the_button(transactional_db: None) -> None:
    code = (await sync_to_async(new_code)()).code
    async with browser(LAN, **{"User-Agent": "Mozilla/5.0 (iPhone)"}) as phone:
        page = await phone.get(f"/pair/?code={code}")
        assert await Device.objects.acount() == 0, "to look at the address is not to use it"
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token
        form = {"code": code, "csrfmiddlewaretoken": token[1]}
        paired = await phone.post("/pair/", data=form, headers={"Referer": f"{LAN}/pair/"})
        assert (paired.status_code, paired.headers["Location"]) == (302, "/")
        cookie = paired.headers["Set-Cookie"]
        assert COOKIE in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert (await Device.objects.aget()).name == "iPhone"
        assert (await phone.post("/pair/", data=form, headers={"Referer": f"{LAN}/pair/"})).status_code == 403
        assert (await phone.post("/pair/", data={"code": code})).status_code == 403
    assert await Device.objects.acount() == 1
