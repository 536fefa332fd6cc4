from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory

from llmsite import hosts, network
from llmsite.hosts import HostCheck, OriginCheck, host_allowed, origin_allowed


@pytest.fixture(autouse=True)
def this_computer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It has 192.168.1.7 and a public address, is called "laptop", and may be called chat.example.com."""
    found = {"wlan0": "192.168.1.7", "eth0": "100.64.0.9", "eth1": "2a00::5"}
    addresses = [network.Address(ip, interface, "lan") for interface, ip in found.items()]
    monkeypatch.setattr(network, "addresses", lambda: addresses)
    monkeypatch.setattr(hosts, "_present", hosts._Present())
    monkeypatch.setattr(hosts.socket, "gethostname", lambda: "Laptop.fritz.box")
    monkeypatch.setattr(settings, "CONFIG", dataclasses.replace(settings.CONFIG, hosts=("chat.example.com",)))
    hosts._names.cache_clear()
    yield
    hosts._names.cache_clear()


@pytest.mark.parametrize(
    "header",
    [
        None, "", "localhost", "localhost:8000", "LOCALHOST.", "127.0.0.1:8000", "[::1]:8000", "192.168.1.7:8000", "100.64.0.9", "[2a00::5]:8000",
        "laptop:8000", "laptop.local:8000", "laptop.fritz.box", "chat.example.com", "chat.example.com:443",
        "llmsite-laptop.local:8000", "llmsite-laptop-2.local",
        "10.9.8.7:8000",  # a forwarded port: not ours, but a number, and rebinding needs a name
    ],
)  # fmt: skip
def test_our_names(header: str | None) -> None:
    assert host_allowed(header)


@pytest.mark.parametrize(
    "header",
    [
        "evil.example", "evil.example:8000", "192.168.1.7.evil.example", "localhost.evil.example", "198.51.100.1.nip.io", "8.8.8.8", "[2001:4860::8]",
        "user@localhost", "localhost:port", "localhost/x", "laptop.evil.example", "[::1", "a b", "xlocalhost", "0x7f.1", "100.64.0.8",
        "llmsite-other.local",
    ],
)  # fmt: skip
def test_other_names_are_refused(header: str) -> None:
    assert not host_allowed(header)


def test_addresses_are_asked_for_at_most_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, now = [], [100.0]
    monkeypatch.setattr(network, "addresses", lambda: asked.append(1) or [network.Address("100.64.0.77", "eth0", "lan")])
    monkeypatch.setattr(hosts.time, "monotonic", lambda: now[0])
    assert [host_allowed("100.64.0.77"), host_allowed("100.64.0.77"), host_allowed("100.64.0.9")] == [True, True, False]
    assert len(asked) == 1
    monkeypatch.setattr(network, "addresses", lambda: [network.Address("100.64.0.9", "eth0", "lan")])
    now[0] += hosts.FRESH_S
    assert [host_allowed("100.64.0.77"), host_allowed("100.64.0.9")] == [False, True]


def test_the_middleware_answers_400_with_a_sentence() -> None:
    check = HostCheck(lambda request: HttpResponse("in"))
    factory = RequestFactory()
    assert check(factory.get("/", HTTP_HOST="192.168.1.7:8000")).content == b"in"
    refused = check(factory.get("/", HTTP_HOST="evil.example"))
    assert refused.status_code == 400
    assert refused["Content-Type"].startswith("text/plain")
    assert b"not called evil.example" in refused.content


async def test_the_middleware_in_an_async_stack() -> None:
    async def view(request: Any) -> HttpResponse:
        return HttpResponse("in")

    check = HostCheck(view)
    assert iscoroutinefunction(check)
    factory = RequestFactory()
    assert (await check(factory.get("/", HTTP_HOST="localhost"))).content == b"in"
    assert (await check(factory.get("/", HTTP_HOST="evil.example"))).status_code == 400


@pytest.mark.parametrize(
    ("origin", "host", "closed", "opened"),
    [
        pytest.param(None, "192.168.1.7:8000", True, True, id="an app"),
        pytest.param("http://192.168.1.7:8000", "192.168.1.7:8000", True, True, id="our page"),
        pytest.param("http://Laptop.local:8000", "laptop.local:8000", True, True, id="our page by name"),
        pytest.param("https://chat.example.com", "chat.example.com", True, True, id="our page behind a proxy"),
        pytest.param("http://192.168.1.7", "192.168.1.7:80", True, True, id="the default port is said by one"),
        pytest.param("http://192.168.1.7:5173", "192.168.1.7:8000", False, True, id="a client under development on this computer"),
        pytest.param("http://localhost:5173", "192.168.1.7:8000", False, True, id="a client under development elsewhere"),
        pytest.param("http://10.0.0.3", "192.168.1.7:8000", False, True, id="a page of the same network"),
        pytest.param("null", "192.168.1.7:8000", False, True, id="a page without an origin"),
        pytest.param("file://", "192.168.1.7:8000", False, True, id="a page from a file"),
        pytest.param("https://evil.example", "192.168.1.7:8000", False, False, id="a foreign page"),
        pytest.param("http://evil.example:8000", "evil.example:8000", False, False, id="DNS rebinding"),
        pytest.param(None, "evil.example:8000", False, False, id="a foreign name"),
        pytest.param("http://localhost.evil.example", "192.168.1.7:8000", False, False, id="a name that only begins right"),
        pytest.param("http://[::1", "192.168.1.7:8000", False, False, id="malformed"),
        pytest.param("http://", "192.168.1.7:8000", False, False, id="empty"),
        pytest.param("http://192.168.1.7:x", "192.168.1.7:8000", False, False, id="a port that is none"),
    ],
)  # fmt: skip
def test_origins(origin: str | None, host: str, closed: bool, opened: bool) -> None:
    assert origin_allowed(origin, host, open=False) is closed
    assert origin_allowed(origin, host, open=True) is opened


@pytest.mark.parametrize(("origin", "reached"), [(b"http://192.168.1.7:8000", True), (b"https://evil.example", False)])
async def test_a_foreign_page_never_reaches_the_application(origin: bytes, reached: bool) -> None:
    seen, sent = [], []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"host", b"192.168.1.7:8000"), (b"origin", origin)]}
    await OriginCheck(application, open_to_all=False)(scope, receive, send)
    assert bool(seen) is reached
    assert sent == ([] if reached else [{"type": "websocket.close", "code": 1008}])
