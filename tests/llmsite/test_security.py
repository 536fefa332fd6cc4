"""The headers on every kind of answer, and how large a request may be."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.test import RequestFactory
from httpx2 import ASGITransport, AsyncClient, Response

from llmsite import security
from llmsite.security import ContentPolicy, refusal_headers

HOST = "127.0.0.1:8000"
# WhiteNoise leaves the closing of a file that an async server has read to its end to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def get(path: str, *, host: str = HOST) -> Response:
    async with AsyncClient(transport=ASGITransport(get_asgi_application(), raise_app_exceptions=False), base_url=f"http://{host}") as browser:
        return await browser.get(path)


def policy(response: Any) -> dict[str, list[str]]:
    """The content policy by directive."""
    directives = [part.split() for part in response.headers["Content-Security-Policy"].split(";")]
    return {name: values for name, *values in directives}


PATHS = {
    "/": 200,
    "/admin/login/": 200,
    "/admin/": 302,
    "/static/chat/tokens.css": 200,
    "/static/chat/nothing.js": 404,
    "/nowhere": 404,
    "/pair/?code=x": 200,
}


@pytest.mark.parametrize(("path", "status"), PATHS.items())
async def test_every_answer_carries_the_strict_policy(transactional_db: None, path: str, status: int) -> None:
    response = await get(path)
    assert response.status_code == status
    found = policy(response)
    assert found["default-src"] == found["object-src"] == found["base-uri"] == found["frame-ancestors"] == ["'none'"]
    assert found["script-src"] == found["style-src"] == found["form-action"] == ["'self'"]
    assert found["connect-src"] == ["'self'", f"ws://{HOST}", f"wss://{HOST}"]
    assert not any("unsafe" in value or "*" in value for values in found.values() for value in values)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in response.headers


@pytest.mark.parametrize(("path", "status"), PATHS.items())
async def test_what_is_private_stays_in_no_cache(transactional_db: None, path: str, status: int) -> None:
    control = (await get(path)).headers["Cache-Control"]
    assert ("no-store" in control) is (path != "/static/chat/tokens.css")


async def test_a_refused_name_gets_the_headers_and_is_not_named_in_them(transactional_db: None) -> None:
    response = await get("/", host="evil.example")
    assert response.status_code == 400
    assert policy(response)["connect-src"] == ["'self'"]
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_a_failure_carries_the_headers(transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("chat.views.identify", lambda *args, **kwargs: 1 / 0)
    response = await get("/")
    assert response.status_code == 500
    assert policy(response)["default-src"] == ["'none'"]
    caplog.clear()


def test_a_view_may_add_to_the_policy() -> None:
    request, response = RequestFactory().get("/", HTTP_HOST="localhost"), HttpResponse()
    response._csp_update = {"connect-src": "'none'", "img-src": ["x:"]}  # as django-csp's decorators do
    parts = ContentPolicy(lambda request: response).get_policy_parts(request, response)
    assert parts.update == {"connect-src": ["'none'", "ws://localhost", "wss://localhost"], "img-src": ["x:"]}


def test_an_answer_past_django_shows_nothing() -> None:
    headers = dict(refusal_headers())
    assert headers[b"content-security-policy"] == security.NOTHING.encode()
    assert headers[b"x-content-type-options"] == b"nosniff"
