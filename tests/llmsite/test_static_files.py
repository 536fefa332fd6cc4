"""The phone client at /m/: found when it is built, kept by browsers as long as it is the same, and guarded like every other answer."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from httpx2 import ASGITransport, AsyncClient, Response

# WhiteNoise leaves the closing of a file that an async server has read to its end to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

INDEX = "<!doctype html><title>client</title>"
SCRIPT = "export const answer = 42;\n" * 100


async def get(path: str, *, encoding: str = "identity", method: str = "GET", **headers: str) -> Response:
    transport = ASGITransport(get_asgi_application(), raise_app_exceptions=False, client=("192.168.1.77", 40000))
    async with AsyncClient(transport=transport, base_url="http://192.168.1.2:8000", headers={"Accept-Encoding": encoding, **headers}) as stranger:
        return await stranger.request(method, path)


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Where a client would be built."""
    settings.CONFIG = replace(settings.CONFIG, phone_client=tmp_path / "h5")
    return tmp_path / "h5"


@pytest.fixture
def build(folder: Path) -> Callable[[], None]:
    def write() -> None:
        (folder / "assets").mkdir(parents=True)
        (folder / "index.html").write_text(INDEX, encoding="utf-8")
        (folder / "icon.svg").write_text("<svg/>", encoding="utf-8")
        script = folder / "assets" / "index-Cj8duFq3.js"
        script.write_text(SCRIPT, encoding="utf-8")
        script.with_name(f"{script.name}.gz").write_bytes(gzip.compress(SCRIPT.encode()))
        script.with_name(f"{script.name}.br").write_bytes(b"brotli")
        (folder.parent / "secret").write_text("secret", encoding="utf-8")
        (folder / "out").symlink_to(folder.parent / "secret")

    return write


@pytest.fixture
def client(build: Callable[[], None]) -> None:
    build()


@pytest.mark.parametrize("path", ["/m/", "/m/index.html"])
async def test_it_needs_no_pairing_and_is_asked_for_each_time(client: None, path: str) -> None:
    first = await get(path)
    assert (first.status_code, first.text) == (200, INDEX)
    assert first.headers["Content-Type"].startswith("text/html")
    assert first.headers["Cache-Control"] == "no-cache"
    again = await get(path, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_without_its_slash_it_is_found_too(client: None) -> None:
    answer = await get("/m")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/m/")
    assert "no-store" in answer.headers["Cache-Control"]


async def test_what_has_its_hash_in_its_name_is_kept_for_a_year(client: None) -> None:
    assert (await get("/m/assets/index-Cj8duFq3.js")).headers["Cache-Control"] == "max-age=31536000, public, immutable"
    assert (await get("/m/icon.svg")).headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(("encoding", "sent"), [("gzip, br", "br"), ("gzip", "gzip"), ("identity", None)])
async def test_what_the_build_has_compressed_is_sent_so(client: None, encoding: str, sent: str | None) -> None:
    answer = await get("/m/assets/index-Cj8duFq3.js", encoding=encoding, method="HEAD")
    assert answer.headers.get("Content-Encoding") == sent
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert sent is None or int(answer.headers["Content-Length"]) < len(SCRIPT) / 10


@pytest.mark.parametrize("path", ["/m/", "/m/assets/index-Cj8duFq3.js", "/m/nothing.js", "/m"])
async def test_every_answer_carries_the_policy_and_the_headers(client: None, path: str) -> None:
    headers = (await get(path)).headers
    policy = [part.strip() for part in headers["Content-Security-Policy"].split(";")]  # their order is any
    assert {"default-src 'none'", "script-src 'self'"} <= set(policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "path", ["/m/nothing.js", "/m/assets", "/m/assets/", "/m/../secret", "/m/%2e%2e/secret", "/m/a%00b", "/m/out", "/m/assets/index-Cj8duFq3.js.br"]
)
async def test_nothing_else_is_there(client: None, path: str) -> None:
    answer = await get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


async def test_it_is_only_for_reading(client: None) -> None:
    assert (await get("/m/", method="POST")).status_code == 405


async def test_a_client_that_is_built_while_the_server_runs_is_served_at_once(folder: Path, build: Callable[[], None]) -> None:
    transport = ASGITransport(get_asgi_application(), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as browser:
        before = await browser.get("/m/")
        assert (before.status_code, before.headers["Location"]) == (302, "/"), "the chat page is always there"
        build()
        assert (await browser.get("/m/")).text == INDEX
        (folder / "index.html").write_text(INDEX + "2", encoding="utf-8")
        assert (await browser.get("/m/")).text == INDEX + "2"
        (folder / "index.html").unlink()
        assert (await browser.get("/m/")).status_code == 302


async def test_it_can_be_switched_off(client: None, settings: Any) -> None:
    settings.CONFIG = replace(settings.CONFIG, phone_client=None)
    assert [(await get(path)).headers.get("Location") for path in ("/m", "/m/")] == ["/", "/"]
    assert (await get("/m/assets/index-Cj8duFq3.js")).status_code == 404
