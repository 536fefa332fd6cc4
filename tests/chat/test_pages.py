"""`/pair/`: the host sees a QR of each address that works, a phone pairs once, nobody else gets a code."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.utils import timezone
from httpx2 import ASGITransport, AsyncClient, Response

from chat import limits, pairing, qr
from chat.identity import COOKIE
from chat.models import Device, Owner, PairingCode

HOST, LAN = "http://127.0.0.1:8000", "http://192.168.1.2:8000"
IPHONE = {"User-Agent": "Mozilla/5.0 (iPhone)"}
CODE = r"[0-9A-Z]{4}-[0-9A-Z]{4}"


@dataclass(frozen=True)
class Address:
    """Stands for llmsite.network.Address."""

    ip: str
    kind: str = "lan"

    def url(self, port: int, path: str = "/") -> str:
        return f"http://{self.ip}:{port}{path}"


class Runtime:
    def __init__(self, *addresses: Address, name: str = "") -> None:
        self.addresses = list(addresses)
        self.address_name = name

    def phone_addresses(self, port: int) -> list[Address]:
        assert port == 8000
        return self.addresses

    def known_addresses(self) -> list[Address]:
        return self.addresses


WIFI, HOTSPOT = Address("192.168.1.2"), Address("10.42.0.1", "hotspot")
NOWHERE = Runtime()


@pytest.fixture(autouse=True)
def forget_the_tries() -> None:
    limits.shared.cache_clear()


@pytest.fixture
def phone_client(tmp_path: Path, settings: Any) -> None:
    """As if it had been built."""
    (tmp_path / "index.html").touch()
    settings.CONFIG = replace(settings.CONFIG, phone_client=tmp_path)


def browser(base_url: str = HOST, runtime: Runtime = NOWHERE, token: str = "", **headers: str) -> AsyncClient:
    application = get_asgi_application()

    async def with_runtime(scope: Any, receive: Any, send: Any) -> None:
        await application({**scope, "server": ("127.0.0.1", 8000), "state": {"runtime": runtime}}, receive, send)

    client = None if base_url == HOST else ("192.168.1.77", 40000)
    transport = ASGITransport(with_runtime, client=client) if client else ASGITransport(with_runtime)
    return AsyncClient(transport=transport, base_url=base_url, headers=headers, cookies={COOKIE: token} if token else None)


async def make_key(client: AsyncClient, **form: str) -> Response:
    """The form on /pair/, sent."""
    page = await client.get("/pair/?only=devices")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token
    return await client.post("/pair/key/", data={"csrfmiddlewaretoken": token[1], **form})


async def paired(name: str = "Anna", owner: Owner | None = None) -> tuple[Device, str]:
    code = (await sync_to_async(pairing.new_code)(owner=owner)).code
    return await sync_to_async(pairing.redeem)(code=code, name=name)


async def post(client: AsyncClient, path: str, page: str = "/pair/", **form: str) -> Response:
    """As the page's own form does it."""
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', (await client.get(page)).text)
    assert token
    return await client.post(path, data=form | {"csrfmiddlewaretoken": token[1]}, headers={"Referer": f"{client.base_url}/pair/"})


# --- the host's page -----------------------------------------------------------------------------------------------------------------


async def test_the_host_is_shown_every_address_that_phones_can_reach_with_a_qr_code_of_its_own(transactional_db: None) -> None:
    async with browser(HOST, Runtime(HOTSPOT, WIFI, name="llmsite-laptop.local")) as host:
        page = await host.get("/pair/")
    assert page.status_code == 200
    code = re.search(rf"/pair/\?code=({CODE})", page.text)
    assert code
    urls = [f"http://{name}:8000/pair/?code={code[1]}" for name in ("10.42.0.1", "192.168.1.2", "llmsite-laptop.local")]
    positions = [page.text.index(qr.svg(url)) for url in urls]
    assert positions == sorted(positions)
    assert [kind in page.text for kind in ("<small>hotspot", "<small>Wi-Fi or cable", "<small>name: stays")] == [True] * 3
    assert page.text.count(" checked>") == 1
    assert await PairingCode.objects.acount() == 1, "one code for all of them"
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


async def test_behind_a_proxy_that_speaks_https_the_named_address_does_too(transactional_db: None, settings: Any) -> None:
    settings.CONFIG = replace(settings.CONFIG, https=True)
    async with browser(HOST) as host:
        assert "https://llm.example/pair/?code=" in (await host.get("/pair/?address=llm.example")).text


@pytest.mark.parametrize("foreign", [{"base_url": LAN}, {"x-forwarded-for": "192.168.1.9"}])
@pytest.mark.parametrize("path", ["/pair/", "/pair/?address=a.example", "/pair/?for=00000000-0000-4000-8000-000000000001", "/pair/now/?code=1"])
async def test_nobody_else_gets_a_code(transactional_db: None, foreign: dict[str, str], path: str) -> None:
    foreign = dict(foreign)
    async with browser(foreign.pop("base_url", HOST), Runtime(WIFI), **foreign) as stranger:
        refused = await stranger.get(path)
    assert refused.status_code == 403
    assert "<svg" not in refused.text
    assert await PairingCode.objects.acount() == 0


async def test_the_devices_alone_cost_no_code(transactional_db: None) -> None:
    await paired("Anna <b>")
    codes = await PairingCode.objects.acount()
    async with browser(HOST, Runtime(WIFI)) as host:
        page = await host.get("/pair/?only=devices")
    assert "Anna &lt;b&gt;" in page.text
    assert "Anna <b>" not in page.text
    assert "<svg" not in page.text
    assert await PairingCode.objects.acount() == codes


async def test_with_open_there_is_an_address_and_no_code(transactional_db: None, settings: Any) -> None:
    settings.CONFIG = replace(settings.CONFIG, open=True)
    async with browser(HOST, Runtime(WIFI)) as host:
        page = await host.get("/pair/")
    assert qr.svg("http://192.168.1.2:8000/") in page.text
    async with browser(LAN, Runtime(WIFI)) as phone:
        assert "No pairing is needed" in (await phone.get("/pair/")).text
    assert await PairingCode.objects.acount() == 0
    shared = await Owner.objects.aget(kind=Owner.Kind.OPEN)
    async with browser(HOST, Runtime(WIFI)) as host:
        await host.get(f"/pair/?for={shared.id}")
    assert await PairingCode.objects.acount() == 0, "what all share gets no device that would outlive --open"


async def test_with_open_the_code_leads_a_phone_to_the_phone_client(transactional_db: None, settings: Any, phone_client: None) -> None:
    settings.CONFIG = replace(settings.CONFIG, open=True)
    async with browser(HOST, Runtime(WIFI)) as host:
        assert qr.svg("http://192.168.1.2:8000/m/") in (await host.get("/pair/")).text


# --- what became of it ---------------------------------------------------------------------------------------------------------------


async def test_the_open_page_learns_who_was_paired(transactional_db: None) -> None:
    runtime = Runtime(WIFI)
    async with browser(HOST, runtime) as host:
        page = (await host.get("/pair/")).text
        shown = {name: re.search(rf'data-{name}="([^"]+)"', page)[1] for name in ("code", "places", "devices")}  # type: ignore[index]
        now = (await host.get("/pair/now/", params={"code": shown["code"]})).json()
        assert now == {"state": "waiting", "device": "", "places": shown["places"], "devices": shown["devices"]}
        code = re.search(rf"\?code=({CODE})", page)
        assert code
        await sync_to_async(pairing.redeem)(code=code[1], name="Anna")
        runtime.addresses = [HOTSPOT]
        now = (await host.get("/pair/now/", params={"code": shown["code"]})).json()
    assert (now["state"], now["device"]) == ("used", "Anna")
    assert now["places"] != shown["places"]
    assert now["devices"] != shown["devices"]


@pytest.mark.parametrize("code", ["", "x", "-1", "9" * 30, "1"])
async def test_a_code_that_never_was_is_unknown(transactional_db: None, code: str) -> None:
    async with browser(HOST) as host:
        assert (await host.get("/pair/now/", params={"code": code})).json()["state"] == "unknown"


async def test_a_phone_learns_of_its_own_persons_codes_only(transactional_db: None) -> None:
    anna, token = await paired()
    theirs, mine = await sync_to_async(pairing.new_code)(), await sync_to_async(pairing.new_code)(owner=anna.owner)
    async with browser(LAN, Runtime(WIFI), token) as phone:
        states = [(await phone.get(f"/pair/now/?code={code.id}")).json()["state"] for code in (theirs, mine)]
    assert states == ["unknown", "waiting"]


# --- a phone on its way in -----------------------------------------------------------------------------------------------------------


async def test_a_phone_pairs_once_by_pressing_the_button(transactional_db: None) -> None:
    code = (await sync_to_async(pairing.new_code)()).code
    async with browser(LAN, **IPHONE) as phone:
        page = await phone.get(f"/pair/?code={code}")
        assert await Device.objects.acount() == 0, "to look at the address is not to use it"
        assert 'value="iPhone"' in page.text
        csrf = phone.cookies["csrftoken"]
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token
        form = {"code": code, "name": "  Anna's   phone ", "csrfmiddlewaretoken": token[1]}
        done = await phone.post("/pair/", data=form, headers={"Referer": f"{LAN}/pair/"})
        assert (done.status_code, done.headers["Location"]) == (302, "/")
        cookie = next(value for value in done.headers.get_list("Set-Cookie") if value.startswith(COOKIE))
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie
        assert phone.cookies["csrftoken"] != csrf, "what was known before it was paired is worth nothing now"
        assert (await Device.objects.aget()).name == "Anna's phone"
        again = await post(phone, "/pair/", f"/pair/?code={code}", code=code)
        assert again.status_code == 403
        assert "This code does not work" in again.text
        assert (await phone.post("/pair/", data={"code": code})).status_code == 403
    assert await Device.objects.acount() == 1


@pytest.mark.parametrize(("agent", "best"), [("Mozilla/5.0 (iPhone)", "/m/"), ("Mozilla/5.0 (X11; Linux x86_64)", "/")])
async def test_a_phone_that_pairs_gets_the_phone_client_and_a_computer_the_chat_page(
    transactional_db: None, phone_client: None, agent: str, best: str
) -> None:
    code = (await sync_to_async(pairing.new_code)()).code
    async with browser(LAN, Runtime(WIFI), **{"User-Agent": agent}) as device:
        assert (await post(device, "/pair/", f"/pair/?code={code}", code=code)).headers["Location"] == best
        assert f'<a class="button quiet" href="{best}">' in (await device.get("/pair/")).text


async def test_over_https_the_cookie_stays_there(transactional_db: None) -> None:
    code = (await sync_to_async(pairing.new_code)()).code
    async with browser("https://192.168.1.2:8000") as phone:
        done = await post(phone, "/pair/", f"/pair/?code={code}", code=code)
    assert all("Secure" in value for value in done.headers.get_list("Set-Cookie") if value.startswith(COOKIE))
    assert COOKIE in done.headers["Set-Cookie"]


async def test_a_stranger_is_told_what_to_do_and_may_type_the_code(transactional_db: None) -> None:
    code = (await sync_to_async(pairing.new_code)()).code
    async with browser(LAN, **IPHONE, **{"Accept-Language": "zh-CN"}) as phone:
        page = await phone.get("/pair/")
        assert page.status_code == 403
        assert "还没有配对" in page.text
        assert 'lang="zh-Hans"' in page.text
        assert (await post(phone, "/pair/", code="0000-0000", name="x")).status_code == 403
        assert (await post(phone, "/pair/", code=code.lower().replace("-", " "), name="")).status_code == 302
    assert (await Device.objects.aget()).name == "iPhone"


async def test_guessing_ends_after_ten_tries(transactional_db: None) -> None:
    code = (await sync_to_async(pairing.new_code)()).code
    async with browser(LAN) as phone:
        statuses = [(await post(phone, "/pair/", code=f"GUES-000{n}")).status_code for n in range(10)]
        late = await post(phone, "/pair/", code=code)
    assert statuses == [403] * 10
    assert late.status_code == 429
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert "Too many tries" in late.text
    assert await Device.objects.acount() == 0


# --- a paired phone ------------------------------------------------------------------------------------------------------------------


async def test_a_paired_phone_sees_its_own_person_only(transactional_db: None) -> None:
    anna, token = await paired("Anna")
    tablet, _ = await paired("Tablet", anna.owner)
    ben, _ = await paired("Ben")
    async with browser(LAN, Runtime(WIFI), token) as phone:
        page = (await phone.get("/pair/")).text
        assert "Paired as Anna" in page
        assert "Tablet" in page
        assert "Ben" not in page
        assert "<svg" not in page, "no code before it is asked for"
        further = (await phone.get(f"/pair/?for={anna.owner_id}")).text
        stolen = (await phone.get(f"/pair/?for={ben.owner_id}")).text
        new = re.search(rf"\?code=({CODE})", further)
        assert new
        assert "<svg" not in stolen
    joined, _ = await sync_to_async(pairing.redeem)(code=new[1], name="Laptop")
    assert joined.owner_id == anna.owner_id != ben.owner_id
    assert tablet.owner_id == anna.owner_id


async def test_the_address_that_a_phone_came_by_stands_first(transactional_db: None) -> None:
    anna, token = await paired()
    async with browser(LAN, Runtime(HOTSPOT, WIFI, name="llmsite-laptop.local"), token) as phone:
        page = (await phone.get(f"/pair/?for={anna.owner_id}")).text
    assert re.findall(r'name="address" value="([^"]+)"', page) == ["192.168.1.2:8000", "10.42.0.1:8000", "llmsite-laptop.local:8000"]


async def test_a_paired_phone_does_not_lose_its_person_by_scanning_again(transactional_db: None) -> None:
    anna, token = await paired("Anna")
    code = (await sync_to_async(pairing.new_code)()).code
    async with browser(LAN, Runtime(WIFI), token) as phone:
        page = await phone.get(f"/pair/?code={code}")
        assert "Already paired as Anna" in page.text
        assert (await post(phone, "/pair/", f"/pair/?code={code}", code=code, name="Anna")).status_code == 302
    await anna.arefresh_from_db()
    assert anna.revoked_at is not None, "the browser has become another device; the old one is not left behind"


async def test_a_browser_leaves(transactional_db: None) -> None:
    anna, token = await paired("Anna")
    async with browser(LAN, Runtime(WIFI), token) as phone:
        left = await post(phone, "/pair/device/", device=str(anna.id), action="revoke")
        assert left.headers["Location"] == "/pair/#devices"
        assert any(value.startswith(f'{COOKIE}=""') for value in left.headers.get_list("Set-Cookie"))
    async with browser(LAN, Runtime(WIFI), token) as phone:
        assert "Not paired" in (await phone.get("/pair/")).text


# --- devices -------------------------------------------------------------------------------------------------------------------------


async def test_the_host_renames_and_removes_everybodys_devices(transactional_db: None) -> None:
    anna, token = await paired("Anna")
    async with browser(HOST, Runtime(WIFI)) as host:
        assert (await post(host, "/pair/device/", device=str(anna.id), action="rename", name="Anna's phone")).status_code == 302
        assert "Anna&#x27;s phone" in (await host.get("/pair/")).text
        assert (await post(host, "/pair/device/", device=str(anna.id), action="rename", name="  ")).status_code == 422
        assert (await post(host, "/pair/device/", device=str(anna.id), action="revoke")).status_code == 302
        assert (await post(host, "/pair/device/", device=str(anna.id), action="revoke")).status_code == 404
        page = (await host.get("/pair/")).text
    assert "Without a device now (1)" in page
    assert f"?for={anna.owner_id}" in page, "she may come back to her conversations"
    async with browser(LAN, Runtime(WIFI), token) as phone:
        assert (await phone.get("/pair/")).status_code == 403


@pytest.mark.parametrize("action", ["rename", "revoke"])
async def test_nobody_touches_another_persons_devices(transactional_db: None, action: str) -> None:
    anna, _ = await paired("Anna")
    _, token = await paired("Ben")
    async with browser(LAN, Runtime(WIFI), token) as ben:
        assert (await post(ben, "/pair/device/", device=str(anna.id), action=action, name="my notebook")).status_code == 404
        assert (await post(ben, "/pair/device/", device="not an id", action=action)).status_code == 404
    async with browser(LAN) as stranger:
        assert (await post(stranger, "/pair/device/", device=str(anna.id), action=action, name="my notebook")).status_code == 403
    await anna.arefresh_from_db()
    assert (anna.name, anna.revoked_at) == ("Anna", None)


async def test_this_computers_own_browser_is_no_device_to_remove(transactional_db: None) -> None:
    async with browser(HOST, Runtime(WIFI)) as host:
        await host.get("/pair/")
        own = await Device.objects.aget(owner__kind=Owner.Kind.HOST)
        assert (await post(host, "/pair/device/", device=str(own.id), action="revoke")).status_code == 404


async def test_when_it_was_last_seen_is_said(transactional_db: None) -> None:
    anna, _ = await paired("Anna")
    await Device.objects.filter(id=anna.id).aupdate(last_seen_at=timezone.now() - timedelta(hours=3))
    async with browser(HOST, Runtime(WIFI)) as host:
        assert "seen 3 h ago" in (await host.get("/pair/")).text


# --- the Wi-Fi -----------------------------------------------------------------------------------------------------------------------


async def test_the_wifis_code_is_in_the_picture_and_nowhere_else(transactional_db: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with browser(HOST, Runtime(WIFI)) as host:
        made = await post(host, "/pair/wifi/", name="Anna;s", security="wpa", password="s3cret-pass", hidden="on")
    assert made.status_code == 200
    assert qr.svg(r"WIFI:T:WPA;S:Anna\;s;P:s3cret-pass;H:true;;") in made.text
    assert "s3cret" not in made.text
    assert "s3cret" not in str(made.headers.multi_items())
    assert "s3cret" not in str(made.url)
    assert "s3cret" not in caplog.text
    assert "no-store" in made.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "", "password": "12345678"}, "1 to 32 characters"),
        ({"name": "home", "password": "1234567"}, "8 to 63 characters"),
        ({"name": "home", "password": ""}, "8 to 63 characters"),
    ],
)
async def test_a_wifi_that_cannot_be_is_refused_in_words(transactional_db: None, form: dict[str, str], said: str) -> None:
    async with browser(HOST, Runtime(WIFI)) as host:
        refused = await post(host, "/pair/wifi/", security="wpa", **form)
    assert refused.status_code == 422
    assert said in refused.text
    assert "<svg" not in refused.text


async def test_a_wifi_without_a_password(transactional_db: None) -> None:
    async with browser(HOST, Runtime(WIFI)) as host:
        made = await post(host, "/pair/wifi/", name="cafe", security="none", password="left over")
    assert qr.svg("WIFI:T:nopass;S:cafe;;") in made.text


async def test_only_the_host_makes_the_wifis_code(transactional_db: None) -> None:
    _, token = await paired()
    async with browser(LAN, Runtime(WIFI), token) as phone:
        assert (await post(phone, "/pair/wifi/", name="home", password="12345678")).status_code == 403
        assert (await phone.get("/pair/wifi/")).status_code == 405


# --- keys ----------------------------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_belongs_to_whoever_made_it(transactional_db: None) -> None:
    device, token = await paired()
    async with browser(LAN, token=token) as phone, browser() as host:
        made = await make_key(phone, name="my editor")
        key = re.search(r"sk-llmsite-[\w-]+", made.text)
        assert key
        assert made.headers["cache-control"].startswith("max-age=0, no-cache, no-store")
        assert "http://192.168.1.2:8000/v1" in made.text
        row = await Device.objects.aget(kind="key")
        assert (row.owner_id, row.name) == (device.owner_id, "my editor")
        for client in (phone, host):
            page = (await client.get("/pair/")).text
            assert "my editor" in page
            assert key[0] not in page
        assert "Anna" in (await host.get("/pair/")).text
        theirs = await make_key(host, name="my notebook")
        assert theirs.status_code == 200
        assert "my notebook" not in (await phone.get("/pair/")).text, "another person's"


async def test_keys_are_no_devices(transactional_db: None) -> None:
    _, token = await paired()
    async with browser(LAN, token=token) as phone:
        await make_key(phone, name="my editor")
        row = await Device.objects.aget(kind="key")
        shown = {"authorization": f"Bearer {token}"}
        assert "my editor" not in (await phone.get("/api/devices", headers=shown)).text
        assert (await phone.delete(f"/api/devices/{row.id}", headers=shown)).status_code == 404


async def test_a_stranger_and_a_nameless_key_get_none(transactional_db: None) -> None:
    async with browser(LAN) as stranger, browser() as host:
        page = await stranger.get("/pair/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token
        refused = await stranger.post("/pair/key/", data={"csrfmiddlewaretoken": token[1], "name": "x"})
        assert refused.status_code == 403
        assert (await make_key(host, name="  ")).status_code == 422
    assert not await Device.objects.filter(kind="key").aexists()
