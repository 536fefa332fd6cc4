"""Nobody reads, changes or learns of what is another person's: every frame and every route, tried by everybody who has no business there."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chat.api.router import api
from chat.identity import PROXY_HEADERS
from chat.protocol import CLIENT_FRAMES, Continue, Edit, Frame, Ping, Regenerate, Resume, SendMessage, Stop
from tests.end_to_end.client import Client
from tests.end_to_end.http import Answer, Headers, ask, ask_raw
from tests.end_to_end.phones import STRANGER, pair
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store

pytestmark = pytest.mark.process

SECRET = "xylophone"
"""A word that only one person has written."""
RUNNING = "!say 1000 and on"


@dataclass(frozen=True)
class Things:
    """What can be named of one conversation, and of a device."""

    conversation: str
    question: str
    answer: str
    run: str
    device: str

    @staticmethod
    def nowhere() -> Things:
        return Things(*(str(uuid4()) for _ in range(5)))

    def named_in(self, text: str) -> bool:
        return any(value in text for value in vars(self).values())


@dataclass(frozen=True)
class House:
    """A server with two people, a device that was revoked, and one that nobody knows."""

    server: Server
    mine: Headers
    other: Headers
    revoked: Headers
    things: Things

    def who(self, name: str) -> Headers:
        return {"other": self.other, "revoked": self.revoked, "unpaired": STRANGER, "host": {}}[name]

    def snapshot(self) -> tuple[str, ...]:
        """What is mine, and what is everybody's, as I see it."""
        paths = [f"/api/conversations/{self.things.conversation}/export?format=json", "/api/devices", "/api/personas"]
        return tuple(_without_times(ask(self.server, "GET", path, self.mine).text) for path in paths)


def _without_times(text: str) -> str:
    return re.sub(r'"(last_seen_at|exported_at)": ?("[^"]*"|null)', "", text)


def _pair(server: Server) -> Headers:
    headers = pair(server)
    assert ask(server, "GET", "/api/me", headers).status == 200
    return headers


def _device(server: Server, headers: Headers) -> str:
    return str(ask(server, "GET", "/api/me", headers).json["device"]["id"])


async def _chat(server: Server, headers: Headers) -> dict[str, str]:
    async with Client(server, headers=headers) as phone:
        run = await phone.ask(f"the secret is {SECRET}")
        return {"conversation": run.conversation, "question": str(run.known["parent"]), "answer": run.message, "run": run.run}


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    server = Server("serve", folder / "strangers")
    server.data.mkdir(mode=0o755)
    server.data.chmod(0o755)
    server.data.joinpath("llmsite.toml").write_text(
        "[limits]\nrequests_per_minute = 100000\npairings_per_minute = 1000\nconnections_per_minute = 10000\n"
    )
    try:
        server.start()
        mine, other, revoked = _pair(server), _pair(server), _pair(server)
        things = Things(**asyncio.run(_chat(server, mine)), device=_device(server, mine))
        assert ask(server, "DELETE", f"/api/devices/{_device(server, revoked)}").status == 204
        yield House(server, mine, other, revoked, things)
    finally:
        server.kill()
    server.check_log()


@pytest.fixture
def untouched(house: House) -> Iterator[None]:
    """Whatever strangers try, what is mine stays as it was."""
    before = house.snapshot()
    assert SECRET in before[0]
    yield
    assert house.snapshot() == before


# --- frames ------------------------------------------------------------------------------------------------------------------------------

AIMED: dict[type[Frame], Callable[[Things], list[dict[str, Any]]]] = {
    # A message without a conversation begins one of one's own, and so does one whose id nobody has used: what is aimed at is `parent`.
    SendMessage: lambda at: [{"type": "message", "message": "hello", "parent": at.answer}],
    Stop: lambda at: [{"type": "stop", "run": at.run}],
    Resume: lambda at: [{"type": "resume", "run": at.run, "after": after} for after in (-1, 0, 3)],
    Regenerate: lambda at: [{"type": "regenerate", "message": message} for message in (at.answer, at.question)],
    Continue: lambda at: [{"type": "continue", "message": at.answer}],
    Edit: lambda at: [{"type": "edit", "message": at.question, "content": "changed"}],
    Ping: lambda at: [],
}
"""For every frame of the protocol: how it may be aimed at what is somebody else's."""


def test_every_frame_is_tried() -> None:
    assert set(AIMED) == set(CLIENT_FRAMES)


async def _said_to(house: House, headers: Headers, frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the server answers, without what a run adds."""
    async with Client(house.server, headers=headers) as client:
        for frame in frames:
            await client.send(**frame, **({} if frame["type"] in ("stop", "resume") else {"key": "k"}))
        await client.until(lambda: len(client.frames) >= len(frames), f"an answer to each of {frames}")
        return client.frames


@pytest.mark.parametrize("kind", [frame for frame in CLIENT_FRAMES if AIMED[frame](Things.nowhere())], ids=lambda frame: frame.__name__)
@pytest.mark.parametrize("who", ["other", "host"])
async def test_no_frame_reaches_another_persons_things_or_tells_that_they_are_there(
    house: House, untouched: None, kind: type[Frame], who: str
) -> None:
    nothing = Things.nowhere()
    to_mine = await _said_to(house, house.who(who), AIMED[kind](house.things))
    to_nothing = await _said_to(house, house.who(who), AIMED[kind](nothing))
    assert {frame["type"] for frame in to_mine} == {"error"}
    assert {frame["code"] for frame in to_mine} <= {"no_run", "no_message"}
    assert json.dumps(to_mine).replace(house.things.run, nothing.run) == json.dumps(to_nothing)
    assert SECRET not in json.dumps(to_mine)


async def test_a_conversation_of_another_is_not_written_in(house: House, untouched: None) -> None:
    """Its id has 122 random bits, and clients may choose the ids of their own: so this one refusal says that the id is used."""
    told = await _said_to(
        house, house.other, [{"type": "message", "message": text, "conversation": house.things.conversation} for text in ("hi", "/system x")]
    )
    assert [frame["code"] for frame in told] == ["no_conversation"] * 2


async def test_a_running_answer_is_not_stopped_by_another(house: House) -> None:
    async with Client(house.server, headers=house.mine) as phone, Client(house.server, headers=house.other) as other, Client(house.server) as host:
        run = await phone.say(RUNNING, options={"max_tokens": 1000})
        for stranger in (other, host):
            await stranger.send(type="stop", run=run.run)
            await stranger.error("no_run")
        assert (await phone.finish(run)).reason == "stop"
        for stranger in (other, host):
            assert not any(frame["type"] in ("start", "stream", "changed") for frame in stranger.frames), "it was watched"


@pytest.mark.parametrize("who", ["unpaired", "revoked"])
async def test_who_may_not_chat_is_told_so_whatever_is_sent(house: House, untouched: None, who: str) -> None:
    frames = [frame for kind in CLIENT_FRAMES for frame in AIMED[kind](house.things)] + [{"type": "message", "message": "hello"}, {"type": "ping"}]
    client = await Client(house.server, headers=house.who(who)).connect()
    for frame in frames:
        with suppress(ConnectionClosed):
            await client.send(**frame)
    await client.gone()
    assert [frame["code"] for frame in client.frames] == ["not_paired"]
    assert client.closed is not None
    assert client.closed[0] == 4401


async def test_a_revoked_device_loses_its_open_socket_and_its_frames(house: House) -> None:
    headers = await asyncio.to_thread(_pair, house.server)
    client = await Client(house.server, headers=headers).connect()
    await client.ping()
    device = await asyncio.to_thread(_device, house.server, headers)
    assert (await asyncio.to_thread(ask, house.server, "DELETE", f"/api/devices/{device}")).status == 204
    with suppress(ConnectionClosed):
        await client.send(type="message", message="too late")
    await client.gone()
    assert client.closed is not None
    assert client.closed[0] == 4401
    assert client.frames[-1]["code"] == "not_paired"
    assert not any(frame["type"] == "start" for frame in client.frames)
    assert (await asyncio.to_thread(ask, house.server, "GET", "/api/me", headers)).code == "not_paired"


async def test_a_device_that_another_process_revokes_loses_its_socket(house: House) -> None:
    headers = await asyncio.to_thread(_pair, house.server)
    device = await asyncio.to_thread(_device, house.server, headers)
    async with Client(house.server, headers=house.mine) as staying:
        client = await Client(house.server, headers=headers).connect()
        await client.ping()
        await asyncio.to_thread(
            Store(house.server).rows, "UPDATE chat_device SET revoked_at = '2026-01-01 00:00:00' WHERE id = ?", device.replace("-", "")
        )
        await client.gone()
        assert client.closed is not None
        assert client.closed[0] == 4401
        await staying.ping()


# --- the API -------------------------------------------------------------------------------------------------------------------------------

LIST = "may be asked, and holds nothing of another"
HIDDEN = "as if it were not there"
HOST = "for the computer's own browser"
OWN = "concerns only who asks"

Operation = tuple[str, str]
OPERATIONS: dict[Operation, tuple[str, Any]] = {
    ("GET", "/api/me"): (LIST, None),
    ("GET", "/api/devices"): (LIST, None),
    ("PATCH", "/api/devices/{device}"): (HIDDEN, {"name": "stolen"}),
    ("DELETE", "/api/devices/{device}"): (HIDDEN, None),
    ("POST", "/api/pair"): (OWN, {"code": "guess", "name": "n"}),
    ("POST", "/api/pairing-codes"): (OWN, {}),
    ("GET", "/api/conversations"): (LIST, None),
    ("POST", "/api/conversations/import"): (OWN, {"format": "llmsite-conversation", "version": 1, "messages": []}),
    ("GET", "/api/conversations/{conversation}"): (HIDDEN, None),
    ("PATCH", "/api/conversations/{conversation}"): (HIDDEN, {"title": "stolen"}),
    ("DELETE", "/api/conversations/{conversation}"): (HIDDEN, None),
    ("POST", "/api/conversations/{conversation}/restore"): (HIDDEN, {}),
    ("GET", "/api/conversations/{conversation}/messages"): (HIDDEN, None),
    ("GET", "/api/conversations/{conversation}/export"): (HIDDEN, None),
    ("GET", "/api/changes"): (LIST, None),
    ("GET", "/api/search"): (LIST, None),
    ("GET", "/api/messages/{message}"): (HIDDEN, None),
    ("PUT", "/api/messages/{message}/feedback"): (HIDDEN, {"rating": -1}),
    ("DELETE", "/api/messages/{message}/feedback"): (HIDDEN, None),
    ("GET", "/api/models"): (LIST, None),
    ("GET", "/api/personas"): (LIST, None),
    ("POST", "/api/personas"): (HOST, {"name": "stolen"}),
    ("PATCH", "/api/personas/{persona}"): (HOST, {"name": "stolen"}),
    ("DELETE", "/api/personas/{persona}"): (HOST, None),
}
"""For every operation: who may, and the body of an attempt."""
QUERIES = {"/api/search": f"?q={SECRET}", "/api/conversations": f"?q={SECRET}"}
HOSTS_OWN = {("PATCH", "/api/devices/{device}"), ("DELETE", "/api/devices/{device}"), ("GET", "/api/devices")}
"""The owner of the computer may rename and revoke anybody's device."""


def _operations() -> set[Operation]:
    return {(method.upper(), path) for path, methods in api.get_openapi_schema()["paths"].items() for method in methods}


def test_every_operation_is_tried() -> None:
    assert _operations() == set(OPERATIONS)


def _at(path: str, things: Things, message: str) -> str:
    return path.format(conversation=things.conversation, message=message, device=things.device, persona=1) + QUERIES.get(path, "")


def _comparable(answer: Answer, things: Things) -> tuple[int, str, str]:
    text = answer.text
    for value in vars(things).values():
        text = text.replace(value, "ID")
    return answer.status, answer.headers.get("content-type", ""), text


@pytest.mark.parametrize("who", ["other", "host"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: " ".join(operation))
def test_no_operation_reaches_another_persons_things_or_tells_that_they_are_there(
    house: House, untouched: None, operation: Operation, who: str
) -> None:
    (method, path), (rule, body) = operation, OPERATIONS[operation]
    if who == "host" and (operation in HOSTS_OWN or rule == HOST):
        return
    for message in (house.things.question, house.things.answer):
        answer = ask(house.server, method, _at(path, house.things, message), house.who(who), body)
        assert SECRET not in answer.text
        if rule == HIDDEN:
            nothing = Things.nowhere()
            absent = ask(house.server, method, _at(path, nothing, nothing.answer), house.who(who), body)
            assert answer.status == 404, answer.text
            assert _comparable(answer, house.things) == _comparable(absent, nothing)
        elif rule == HOST:
            assert (answer.status, answer.code) == (403, "host_only")
        elif rule == LIST:
            assert answer.status == 200
            assert not house.things.named_in(answer.text)


@pytest.mark.parametrize("who", ["unpaired", "revoked"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: " ".join(operation))
def test_no_operation_serves_who_is_not_paired(house: House, untouched: None, operation: Operation, who: str) -> None:
    method, path = operation
    answer = ask(house.server, method, _at(path, house.things, house.things.answer), house.who(who), OPERATIONS[operation][1])
    assert (answer.status, answer.code) == ((403, "code_refused") if path == "/api/pair" else (401, "not_paired"))


def test_the_person_itself_may(house: House) -> None:
    """Else the tests above would prove nothing."""
    for operation, (rule, body) in OPERATIONS.items():
        if rule == HIDDEN and operation[0] == "GET":
            assert ask(house.server, operation[0], _at(operation[1], house.things, house.things.answer), house.mine, body).status == 200
    assert SECRET in ask(house.server, "GET", f"/api/search?q={SECRET}", house.mine).text


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_is_what_it_is(house: House, untouched: None, header: str) -> None:
    for method, headers in (("GET", house.mine), ("POST", house.mine)):
        ask(house.server, method, f"/api/conversations/{house.things.conversation}?_method=DELETE", headers | {header: "DELETE"})


# --- the other routes ----------------------------------------------------------------------------------------------------------------------

ROUTES: dict[str, int] = {
    "": 302,  # to /pair/
    "pair/": 403,
    "pair/now/": 403,
    "pair/device/": 405,
    "pair/key/": 405,
    "pair/wifi/": 405,
    "healthz": 200,
    "metrics": 403,
    "api/": 302,  # to its documentation
    "^api(?:/|$)": 404,
    "api/docs": 200,
    "api/openapi.json": 200,
    "v1/chat/completions": 405,
    "v1/completions": 405,
    "v1/embeddings": 405,
    "v1/models": 401,
    "v1/models/<path:name>": 401,
    "^v1(?:/|$)": 401,
}
"""What somebody gets there who is not paired, with GET. Those of the API are above; all of the admin ask for a login, but these:"""
ADMIN = {"admin/login/": 200}
EXAMPLES = {
    "^api(?:/|$)": "api/nothing",
    "^v1(?:/|$)": "v1/nothing",
    r"admin/^(?P<app_label>": "admin/chat/",
    r"admin/(?P<url>.*)$": "admin/nothing/",
}


def _routes() -> set[str]:
    def walk(resolver: URLResolver, before: str = "") -> Iterator[str]:
        for pattern in resolver.url_patterns:
            place = before + str(pattern.pattern)
            if isinstance(pattern, URLPattern):
                yield place
            else:
                yield from walk(pattern, place)

    return set(walk(get_resolver()))


def _path(route: str) -> str:
    known = next((path for start, path in EXAMPLES.items() if route.startswith(start)), None)
    return "/" + (known or re.sub(r"<[^>]*>", str(uuid4()), route))


def test_every_route_is_tried() -> None:
    operations = {re.sub(r"[{<][^}>]*[}>]", "*", path.strip("/")) for _, path in OPERATIONS}
    others = {route for route in _routes() if re.sub(r"<[^>]*>", "*", route) not in operations and not route.startswith("admin/")}
    assert others == set(ROUTES)
    assert set(ADMIN) <= _routes()


@pytest.mark.parametrize("who", ["unpaired", "revoked"])
@pytest.mark.parametrize("route", ROUTES)
def test_who_is_not_paired_sees_no_page(house: House, untouched: None, route: str, who: str) -> None:
    answer = ask(house.server, "GET", _path(route), house.who(who))
    assert answer.status == ROUTES[route]
    assert SECRET not in answer.text
    assert not house.things.named_in(answer.text)


@pytest.mark.parametrize("who", ["other", "unpaired", "host"])
def test_every_page_of_the_admin_asks_for_a_login(house: House, untouched: None, who: str) -> None:
    """The computer's own browser as well: whoever sits there need not be its owner."""
    for route in sorted(route for route in _routes() if route.startswith("admin/")):
        for method in ("GET", "POST"):
            answer = ask(house.server, method, _path(route), house.who(who), "" if method == "POST" else None)
            expected = {ADMIN[route]} if route in ADMIN and method == "GET" else {302, 403}
            assert answer.status in expected, f"{method} {_path(route)}: {answer.status}"
            if answer.status == 302:
                assert re.match(r"/admin/(login/)?(\?|$)", answer.headers["location"])
            assert SECRET not in answer.text


@pytest.mark.parametrize("who", ["other", "unpaired", "revoked", "host"])
def test_the_page_opens_no_conversation_of_another(house: House, untouched: None, who: str) -> None:
    nothing = Things.nowhere()
    for accept in ("application/json", "text/html"):
        headers = house.who(who) | {"Accept": accept}
        answer = ask(house.server, "GET", f"/?c={house.things.conversation}", headers)
        absent = ask(house.server, "GET", f"/?c={nothing.conversation}", headers)
        assert SECRET not in answer.text
        assert _comparable(answer, house.things) == _comparable(absent, nothing)


def _with_csrf(house: House, headers: Headers) -> tuple[Headers, str]:
    token = "a" * 32
    cookie = "; ".join(filter(None, [headers.get("Cookie", ""), f"csrftoken={token}"]))
    return {**headers, "Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}, f"csrfmiddlewaretoken={token}"


@pytest.mark.parametrize("action", ["revoke", "rename"])
@pytest.mark.parametrize(("who", "status"), [("other", 404), ("unpaired", 403), ("revoked", 403)])
def test_a_device_of_another_is_neither_removed_nor_renamed_on_the_pairing_page(
    house: House, untouched: None, who: str, status: int, action: str
) -> None:
    headers, token = _with_csrf(house, house.who(who))
    answers = [
        ask(house.server, "POST", "/pair/device/", headers, f"{token}&device={device}&action={action}&name=stolen")
        for device in (house.things.device, Things.nowhere().device)
    ]
    assert [answer.status for answer in answers] == [status, status]


@pytest.mark.parametrize("who", ["other", "unpaired", "revoked"])
def test_only_the_computer_makes_codes_for_its_wifi(house: House, who: str) -> None:
    headers, token = _with_csrf(house, house.who(who))
    assert ask(house.server, "POST", "/pair/wifi/", headers, f"{token}&name=x&password=12345678").status == 403


# --- who is who ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", PROXY_HEADERS)
async def test_what_came_through_a_proxy_is_never_the_computers_own_browser(house: House, header: str) -> None:
    for value in ("127.0.0.1", "for=127.0.0.1;host=localhost", ""):
        answer = await asyncio.to_thread(ask, house.server, "GET", "/api/me", {header: value, "Host": "localhost"})
        assert (answer.status, answer.code) == (401, "not_paired")
    client = await Client(house.server, headers={header: "127.0.0.1"}).connect()
    await client.gone()
    assert client.closed is not None
    assert client.closed[0] == 4401


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io", "localhost@evil.example", "evil.example#localhost",
        "localhost/evil", "localhost:80:80", "[::1", "0x7f.1", "2130706433", "localhost,evil.example", "evil.example\\localhost",
        "lоcalhost".encode().decode("latin-1"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_ours_is_refused(house: House, host: str) -> None:
    for path in ("/", "/api/me", f"/api/conversations/{house.things.conversation}", "/pair/", "/admin/login/"):
        answer = ask_raw(house.server, f"GET {path} HTTP/1.1\nHost: {host}")
        assert answer.status == 400, answer.text
        assert SECRET not in answer.text


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/me HTTP/1.1\nHost: localhost\nHost: evil.example",
        "GET /api/me HTTP/1.1\nHost: evil.example\nHost: localhost",
        "GET http://localhost/api/me HTTP/1.1\nHost: evil.example",
        "GET /api/me HTTP/1.1\nHost: evil.example\nX-Forwarded-Host: localhost",
        "GET /api/me HTTP/1.1\nHost : localhost",
        "GET /api/me HTTP/1.1",
        "GET /api/me HTTP/1.0",
    ],
)
def test_no_way_of_writing_a_request_makes_it_the_owners(house: House, head: str) -> None:
    assert ask_raw(house.server, head).status in (400, 401)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:{port}", "[::1]:{port}"])
def test_the_computers_own_browser_is_its_owner(house: House, host: str) -> None:
    assert ask(house.server, "GET", "/api/me", {"Host": host.format(port=house.server.port)}).json["host"] is True


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
        {"Origin": "file://"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Host": "evil.example"},
    ],
    ids=lambda headers: " ".join(f"{name}={value}" for name, value in headers.items()),
)
async def test_a_page_elsewhere_opens_no_socket(house: House, headers: Headers) -> None:
    if "Host" in headers:  # the client writes its own
        upgrade = "\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\nSec-WebSocket-Version: 13"
        lines = "".join(f"\n{name}: {value}" for name, value in headers.items())
        answer = await asyncio.to_thread(ask_raw, house.server, f"GET /ws/chat/?v=1 HTTP/1.1{lines}{upgrade}")
        assert answer.status in (400, 403)
        return
    with pytest.raises(InvalidStatus) as refused:
        await Client(house.server, headers=headers).connect()
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
@pytest.mark.parametrize("who", ["host", "mine"])
def test_a_page_elsewhere_changes_nothing_through_a_browser_that_may(house: House, untouched: None, origin: str, who: str) -> None:
    headers = {"Origin": origin, **({} if who == "host" else house.mine)}
    for (method, path), (_, body) in OPERATIONS.items():
        if method != "GET":
            answer = ask(house.server, method, _at(path, house.things, house.things.answer), headers, body)
            assert (answer.status, answer.code) == (403, "foreign_origin")
    for path in ("/pair/", "/pair/device/", "/pair/wifi/"):
        sent, token = _with_csrf(house, headers)
        assert ask(house.server, "POST", path, sent, f"{token}&code=x&device={house.things.device}&action=revoke").status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_form_can_send_is_no_json(house: House, untouched: None, kind: str) -> None:
    answer = ask(house.server, "PATCH", f"/api/conversations/{house.things.conversation}", house.mine | {"Content-Type": kind}, '{"title": "stolen"}')
    assert answer.status == 415


def test_no_page_elsewhere_may_read_an_answer(house: House) -> None:
    for path in ("/", "/api/me", "/api/conversations", "/api/openapi.json"):
        answer = ask(house.server, "GET", path, {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_following_a_link_from_elsewhere_changes_nothing(house: House) -> None:
    store, tables = Store(house.server), ("conversation", "message", "run", "device", "owner", "pairingcode", "persona", "feedback")
    ask(house.server, "GET", "/")
    before = [store.count(f"chat_{table}") for table in tables]
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Referer": "https://evil.example/"}
    for headers in (link, link | house.mine):
        for path in ("/", f"/?c={house.things.conversation}", f"/?c={uuid4()}", "/pair/?code=guess", "/admin/", "/api/docs", "/healthz"):
            assert ask(house.server, "GET", path, headers).status < 500
    assert [store.count(f"chat_{table}") for table in tables] == before


# --- files, and what is malformed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/static/../manage.py", "/static/../../etc/passwd", "/static/chat/../../manage.py", "/static/%2e%2e/manage.py", "/static/..%2fmanage.py",
        "/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/static//etc/passwd", "/static/%00", "/static/chat/%00.js", "/static/chat/page.js%00.css",
        "/static/..\\manage.py", "/static/....//manage.py", "/static/chat/..%252f..%252fmanage.py", "/static/", "/static/chat/", "/static/admin/",
        "/data/secret_key", "/../data/secret_key", "/llmsite.toml", "/.git/config", "/static/chat/../../../data/secret_key",
    ],
)  # fmt: skip
def test_no_file_but_those_of_the_page_is_served(house: House, path: str) -> None:
    answer = ask_raw(house.server, f"GET {path} HTTP/1.1\nHost: localhost")
    assert answer.status in (400, 404), answer.text
    for private in ("root:", "DJANGO_SETTINGS_MODULE", "[limits]", house.server.data.joinpath("secret_key").read_text()):
        assert private not in answer.text


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/%00", "/?c=%00", "/?c=%ff%fe", "/api/search?q=%00", "/api/conversations/%00", "/api/conversations?cursor=%00", "/pair/?code=%00", "/api/%ff"],
)
def test_bytes_that_are_no_text_are_refused(house: House, untouched: None, method: str, path: str) -> None:
    body = None if method == "GET" else '{"title": "\\u0000", "code": "\\u0000", "name": "\\ud800"}'
    assert ask(house.server, method, path, house.mine | {"Content-Type": "application/json"}, body).status < 500


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "OPTIONS", "HEAD", "GETT", "get"])
def test_no_other_method_does_anything(house: House, untouched: None, method: str) -> None:
    for path in ("/", "/api/me", f"/api/conversations/{house.things.conversation}", "/pair/"):
        answer = ask_raw(house.server, f"{method} {path} HTTP/1.1\nHost: localhost\nCookie: x=y\nX-Probe: 1")
        assert answer.status < 500 or answer.status == 501
        assert "X-Probe" not in answer.text, "TRACE gives back what cookies a browser sent"


@pytest.mark.parametrize(
    "cookie",
    ["llmsite_device=", "llmsite_device=;;;=", 'llmsite_device="\\377"', "llmsite_device=" + "A" * 5000, "\x80\xff", "llmsite_device=' OR 1=1 --"],
)
def test_cookies_that_are_none_are_nobodys(house: House, cookie: str) -> None:
    answer = ask_raw(house.server, f"GET /api/me HTTP/1.1\nHost: localhost\nX-Forwarded-For: 1.2.3.4\nCookie: {cookie}")
    assert answer.status in (400, 401)


def test_nothing_in_the_data_folder_is_anybody_elses(house: House) -> None:
    """The folder was made open to all, and the test's own log was written before the server came."""
    others = stat.S_IRWXG | stat.S_IRWXO
    assert not house.server.data.stat().st_mode & others
    open_files = [path.name for path in house.server.data.rglob("*") if path.is_file() and path.stat().st_mode & others]
    assert set(open_files) <= {"process.log", "llmsite.toml"}
