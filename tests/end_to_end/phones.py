"""Other people's phones: paired as a browser does it, and strangers."""

from __future__ import annotations

import json
import re
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from tests.end_to_end.server import LIMIT_S, Server

STRANGER = {"X-Forwarded-For": "192.168.77.7"}
"""What makes a connection from this computer somebody else's: a proxy says that it only passes it on."""


def pairing_code(server: Server, *, further: str = "") -> str:
    """The code that the computer's own screen shows; `further` is the person whose next device it is for."""
    _, _, page = _request(server, "GET", f"/pair/?address=127.0.0.1:{server.port}&for={further}")
    found = re.search(r"/pair/\?code=([\w-]+)", page)
    assert found, f"no code on the page: {page}"
    return found[1]


def redeem(server: Server, code: str) -> tuple[int, dict[str, str]]:
    """What a phone's browser does with a code. Returns the answer's status and the headers to connect with."""
    _, cookies, page = _request(server, "GET", f"/pair/?code={code}", headers=STRANGER)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token, f"no form on the page: {page}"
    form = urlencode({"code": code, "csrfmiddlewaretoken": token[1]})
    sent = STRANGER | {"Cookie": f"csrftoken={cookies['csrftoken'].value}", "Content-Type": "application/x-www-form-urlencoded"}
    status, cookies, _ = _request(server, "POST", "/pair/", form, sent)
    device = cookies.get("llmsite_device")
    return status, STRANGER | ({"Cookie": f"llmsite_device={device.value}"} if device else {})


def pair(server: Server) -> dict[str, str]:
    """A new phone: the headers of its connections."""
    status, headers = redeem(server, pairing_code(server))
    assert status == 302, f"pairing answered {status}"
    assert "Cookie" in headers
    return headers


def me(server: Server, headers: dict[str, str]) -> dict[str, Any]:
    """What /api/me says to a phone."""
    found: dict[str, Any] = json.loads(_request(server, "GET", "/api/me", headers=headers)[2])
    return found


def api_key(server: Server, name: str = "tool", headers: dict[str, str] | None = None) -> str:
    """A key for other programs: of the computer's owner, or of the phone with these headers."""
    headers = headers or {}
    _, cookies, page = _request(server, "GET", "/pair/?only=devices", headers=headers)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token, f"no form on the page: {page}"
    cookie = "; ".join(filter(None, [headers.get("Cookie", ""), f"csrftoken={cookies['csrftoken'].value}"]))
    sent = headers | {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    form = urlencode({"name": name, "csrfmiddlewaretoken": token[1]})
    _, _, made = _request(server, "POST", "/pair/key/", form, sent)
    found = re.search(r"sk-llmsite-[\w-]+", made)
    assert found, f"no key on the page: {made}"
    return found[0]


def submit(server: Server, path: str, form: dict[str, str]) -> int:
    """Send a form of the computer's own /pair/ page. Returns the answer's status."""
    _, cookies, page = _request(server, "GET", "/pair/?only=devices")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token, f"no form on the page: {page}"
    sent = {"Cookie": f"csrftoken={cookies['csrftoken'].value}", "Content-Type": "application/x-www-form-urlencoded"}
    return _request(server, "POST", path, urlencode(form | {"csrfmiddlewaretoken": token[1]}), sent)[0]


def _request(server: Server, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> tuple[int, SimpleCookie, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        cookies: SimpleCookie = SimpleCookie()
        for line in answer.headers.get_all("Set-Cookie") or []:
            cookies.load(line)
        return answer.status, cookies, answer.read().decode()
    finally:
        connection.close()
