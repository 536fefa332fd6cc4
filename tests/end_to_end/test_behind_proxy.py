"""Behind a reverse proxy that speaks HTTPS (`https = true`), as docs/security.md sets one up."""

from __future__ import annotations

import pytest

from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.http import ask
from tests.end_to_end.server import Server

pytestmark = pytest.mark.process

PROXY = {"Host": "chat.example", "X-Forwarded-For": "192.168.1.7", "X-Forwarded-Proto": "https"}


@pytest.fixture
def server(fresh: FreshServer) -> Server:
    return fresh("serve", LLMSITE_HTTPS="1", LLMSITE_HOSTS="chat.example").start()


def test_what_the_proxy_says_is_believed_but_never_makes_an_owner(server: Server) -> None:
    secure = ask(server, "GET", "/admin/login/", PROXY)
    assert secure.headers["strict-transport-security"].startswith("max-age=2592000")
    assert "Secure" in secure.headers["set-cookie"]
    for spoofed in ("127.0.0.1", "::1", "127.0.0.1, 127.0.0.1"):
        for host in ("chat.example", "localhost"):
            assert ask(server, "GET", "/api/me", PROXY | {"X-Forwarded-For": spoofed, "Host": host}).status == 401
    assert ask(server, "GET", "/api/me").json["host"] is True, "this computer's own browser, past the proxy"
    assert "strict-transport-security" not in ask(server, "GET", "/").headers

    page = {"Origin": "https://chat.example"}
    guess = {"code": "guess", "name": "n"}
    statuses = [ask(server, "POST", "/api/pair", PROXY | page, guess).status for _ in range(25)]
    assert 429 in statuses
    assert ask(server, "POST", "/api/pair", PROXY | page | {"X-Forwarded-For": "192.168.1.8"}, guess).status == 403, (
        "another phone's tries are its own"
    )
    assert (
        ask(server, "POST", "/api/pair", PROXY | {"Origin": "http://evil.example", "X-Forwarded-For": "192.168.1.9"}, guess).code == "foreign_origin"
    )
