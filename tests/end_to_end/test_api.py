"""The API on a real server: schemathesis finds nothing, and a token that is revoked ends a socket that is open."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.phones import STRANGER
from tests.end_to_end.server import LIMIT_S, Server

pytestmark = pytest.mark.process

HERE = Path(__file__).resolve().parent
GENEROUS = "[limits]\nrequests_per_minute = 1000000\npairings_per_minute = 1000\ncharacters_per_day = 1000000000\n"
EXAMPLES = 10
"""Of each operation, beside those of schemathesis' coverage phase: the bounds of every value."""


@pytest.fixture
def server(fresh: FreshServer) -> Server:
    """One that does not mind how much it is asked."""
    server = fresh("uvicorn")
    server.data.mkdir(parents=True, exist_ok=True)
    (server.data / "llmsite.toml").write_text(GENEROUS, encoding="utf-8")
    return server.start()


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_no_request_leaves_its_connection_to_the_database_open(fresh: FreshServer, database: str) -> None:
    """Each has a thread of its own. What Python's collector takes away in the end is too late for PostgreSQL, which has a hundred."""
    server = fresh("uvicorn", database)
    server.data.mkdir(parents=True, exist_ok=True)
    (server.data / "llmsite.toml").write_text(GENEROUS, encoding="utf-8")
    server.start()
    assert server.process is not None
    process, most = psutil.Process(server.process.pid), 0
    ask(server, "GET", "conversations")
    before = process.num_fds()
    for _ in range(60):
        assert ask(server, "GET", "conversations")[0] == 200
        most = max(most, process.num_fds())
    assert most - before < 6


def ask(server: Server, method: str, path: str, body: Any = None, *, token: str = "") -> tuple[int, Any]:
    """Without a token it is the computer itself that asks."""
    headers = {"Content-Type": "application/json"} | (STRANGER | {"Authorization": f"Bearer {token}"} if token else {})
    status, _, content = send(server, method, f"/api/{path}", headers, json.dumps(body) if body is not None else None)
    return status, json.loads(content) if content else None


def send(server: Server, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> tuple[int, Message, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def paired(server: Server) -> dict[str, str]:
    """An app of the computer's owner: its token and ids."""
    _, code = ask(server, "POST", "pairing-codes")
    status, device = ask(server, "POST", "pair", {"code": code["code"], "name": "app"})
    assert status == 200, device
    return device


def fuzz(server: Server, *options: str, token: str = "") -> None:
    """What schemathesis says. Every check that it has, in every phase."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run", f"{server.http}/api/openapi.json"]
    shown = STRANGER | {"Authorization": f"Bearer {token}"} if token else {}
    headers = [f"--header={name}: {value}" for name, value in shown.items()]
    fixed = ["--checks=all", f"--max-examples={EXAMPLES}", "--seed=1", "--continue-on-failure", "--no-color", "--generation-database=:memory:"]
    done = subprocess.run(
        [*command, *headers, *fixed, *options],
        cwd=server.data,
        env=os.environ | {"PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout


WRITTEN_BY_THE_HOST = ["create_persona", "change_persona", "delete_persona"]
REVOKE = "revoke_device"


def test_schemathesis_finds_nothing_as_a_phone(server: Server) -> None:
    """It may do everything; only revoking is left to the computer: it would shut itself out."""
    token = paired(server)["token"]
    fuzz(server, f"--exclude-operation-id={REVOKE}", token=token)
    status, me = ask(server, "GET", "me", token=token)
    assert (status, me["host"]) == (200, False), "it was somebody all the time"


def test_schemathesis_finds_nothing_as_the_computer_itself(server: Server) -> None:
    """What a phone may not do. Here no token is asked for, so none can be missing."""
    operations = [f"--include-operation-id={name}" for name in (*WRITTEN_BY_THE_HOST, "list_personas", "list_devices", REVOKE)]
    fuzz(server, *operations, "--generation-with-security-parameters=false", "--exclude-checks=ignored_auth,missing_required_header")
    assert ask(server, "GET", "me")[0] == 200


async def test_what_is_written_over_the_socket_is_there(server: Server) -> None:
    app = await asyncio.to_thread(paired, server)
    headers = STRANGER | {"Authorization": f"Bearer {app['token']}"}
    async with Client(server, headers=headers) as client:
        run = await client.ask("!think hello 世界")
        (found,) = (await asyncio.to_thread(ask, server, "GET", f"search?q={quote('世界')}&limit=1", token=app["token"]))[1]["items"]
        assert found["conversation"]["id"] == run.conversation
        _, page = await asyncio.to_thread(ask, server, "GET", f"conversations/{run.conversation}", token=app["token"])
        answer = page["messages"][-1]
        assert (answer["id"], answer["content"], answer["finish_reason"], answer["running"]) == (run.message, run.answer, "stop", False)
        assert answer["thinking"] == run.text("thinking")
        assert answer["completion_tokens"] > 0


async def test_revoking_over_http_ends_the_open_socket(server: Server) -> None:
    app = await asyncio.to_thread(paired, server)
    client = await Client(server, headers=STRANGER | {"Authorization": f"Bearer {app['token']}"}).connect()
    await client.ask("hello")
    status, _ = await asyncio.to_thread(ask, server, "DELETE", f"devices/{app['device']}")
    assert status == 204
    await client.gone()
    assert client.closed is not None
    assert client.closed[0] == 4401
    status, refusal = await asyncio.to_thread(ask, server, "GET", "me", token=app["token"])
    assert (status, refusal["code"]) == (401, "not_paired")


def test_what_is_opened_by_settings(fresh: FreshServer) -> None:
    page, token = "https://app.example", "of-the-owner"
    server = fresh("uvicorn", LLMSITE_CORS_ORIGINS=page, LLMSITE_METRICS_TOKEN=token).start()
    app = paired(server)
    for origin, allowed in ((page, page), ("https://evil.example", None)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        for path in ("/api/me", "/v1/models"):
            assert send(server, "OPTIONS", path, STRANGER | asked)[1].get("Access-Control-Allow-Origin") == allowed
        status, headers, _ = send(server, "GET", "/api/me", STRANGER | {"Origin": origin, "Authorization": f"Bearer {app['token']}"})
        assert (status, headers.get("Access-Control-Allow-Origin")) == (200, allowed)
    assert send(server, "GET", "/api/me", {"Origin": page})[0] == 401, "this computer's own rights are not that page's"
    assert send(server, "GET", "/metrics", STRANGER)[0] == 403
    status, _, text = send(server, "GET", "/metrics", STRANGER | {"Authorization": f"Bearer {token}"})
    assert status == 200
    assert 'llmsite_model_state{model="fake",state="ready"} 1.0' in text
