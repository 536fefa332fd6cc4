"""Two web processes behind a real nginx with the site that is shipped in deploy/: phones move between the processes in mid-answer, and nobody
becomes the computer's owner by coming through a proxy on it."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.cluster import Cluster
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.phones import pair
from tests.end_to_end.server import LIMIT_S
from tests.nginx import Nginx, program
from tests.postgres import Postgres
from tests.redis import Redis

pytestmark = pytest.mark.process

PHONES = 6


@pytest.fixture(scope="module")
def cluster(folder: Path, postgres: Postgres, redis: Redis) -> Iterator[Cluster]:
    environment = {"LLMSITE_HTTPS": "1", "LLMSITE_HOSTS": "chat.example"}
    made = Cluster(Path(tempfile.mkdtemp(dir=folder)), postgres.database(), redis.url(40), **environment)
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture(scope="module")
def cookies(cluster: Cluster) -> list[str]:
    """Of paired phones."""
    return [pair(cluster.webs[0])["Cookie"] for _ in range(PHONES)]


@pytest.fixture(autouse=True)
def _there_is_an_nginx() -> None:
    if program() is None:
        assert not os.environ.get("CI"), "CI must have nginx: install the package nginx"
        pytest.skip("there is no nginx here: install the package nginx")


@pytest.fixture
def nginx(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nginx]:
    with Nginx(tmp_path, [web.port for web in cluster.webs]) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "fullchain.pem"))
        yield running


def get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=LIMIT_S, context=ssl.create_default_context()) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def who(nginx: Nginx) -> str:
    """Which process answers this request."""
    return str(json.loads(get(f"https://127.0.0.1:{nginx.port}/healthz?who")[1])["instance"])


def phone(cluster: Cluster, nginx: Nginx, cookie: str) -> Client:
    """Paired, and it knows nothing but the proxy."""
    client = Client(cluster.webs[0], port=nginx.port, headers={"Cookie": cookie})
    client.url = client.url.replace("ws://", "wss://")
    return client


def words(number: int) -> str:
    return "".join(f"w{i} " for i in range(number))


async def test_phones_move_between_the_processes_in_mid_answer(cluster: Cluster, nginx: Nginx, cookies: list[str]) -> None:
    assert len({await asyncio.to_thread(who, nginx) for _ in range(8)}) == 2, "both processes are used"
    phones = [phone(cluster, nginx, cookie) for cookie in cookies]

    async def ask_and_move(client: Client) -> None:
        await client.connect()
        run = await client.pieces(await client.say("!say 150", conversation=str(uuid4())), 5)
        for turn in range(1, 5):
            client.drop()
            await client.gone()
            await client.connect()
            await client.pieces(await client.resume(run.run), 5 + turn * 10)
        await client.finish(run)
        await client.leave()
        assert (run.answer, run.reason, run.rewinds) == (words(150), "stop", 0)

    await asyncio.gather(*map(ask_and_move, phones))


async def test_one_process_dies_and_its_phones_go_on_at_the_other(cluster: Cluster, nginx: Nginx, cookies: list[str]) -> None:
    phones = [phone(cluster, nginx, cookie) for cookie in cookies]
    runs = []
    for client in phones:
        await client.connect()
        runs.append(await client.pieces(await client.say("!say 200", conversation=str(uuid4())), 5))
    cluster.webs[1].kill()
    try:
        cut = 0
        for client, run in zip(phones, runs, strict=True):
            if client.closed is None and run.end is None:
                done, _ = await asyncio.wait(
                    [asyncio.create_task(client.gone()), asyncio.create_task(client.finish(run))], return_when="FIRST_COMPLETED"
                )
                await asyncio.gather(*done, return_exceptions=True)
            if run.end is None:
                cut += 1
                await client.connect()
                await client.finish(await client.resume(run.run))
            await client.leave()
            assert (run.answer, run.reason) == (words(200), "stop"), "nothing is lost or doubled"
        assert 0 < cut < PHONES, "nginx had given both processes some"
    finally:
        cluster.webs[1].start()


async def test_the_proxy_makes_nobody_the_owner(nginx: Nginx, cookies: list[str]) -> None:
    url = f"https://127.0.0.1:{nginx.port}"
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Host": "localhost"}, {"Host": "chat.example", "X-Real-IP": "127.0.0.1"}):
        assert (await asyncio.to_thread(lambda said: get(f"{url}/api/me", **said), headers))[0] == 401, headers
    assert (await asyncio.to_thread(get, f"{url}/metrics"))[0] == 404
    status, _ = await asyncio.to_thread(get, f"{url}/api/me", Cookie=cookies[0])
    assert status == 200


BARE = "server { listen LISTEN; location / { proxy_pass http://127.0.0.1:PORT; } }"
"""The shortest that people write. It names this computer as the host and says nothing of the phone."""
COPIED = """server { listen LISTEN; location / {
    proxy_pass http://127.0.0.1:PORT; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; } }"""
"""The recipe for WebSockets that is copied most."""


@pytest.mark.parametrize("site", [BARE, COPIED], ids=["bare", "copied"])
def test_a_proxy_that_says_nothing_of_the_phone_makes_nobody_the_owner(fresh: FreshServer, tmp_path: Path, site: str) -> None:
    server = fresh("uvicorn").start()
    with Nginx(tmp_path, [], site.replace("PORT", str(server.port))) as nginx:
        assert get(f"http://127.0.0.1:{nginx.port}/api/me")[0] == 401
        assert get(f"http://127.0.0.1:{nginx.port}/pair/", Accept="text/html")[1].count("/pair/?code=") == 0
    assert get(f"http://127.0.0.1:{server.port}/api/me")[0] == 200, "past the proxy it is this computer's own"
