"""The App's way to a computer, its real modules on real servers: pairing, and every reason why it does not connect."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest

from tests.end_to_end.phones import STRANGER, pairing_code, submit
from tests.end_to_end.server import ROOT, Server, command, free_port
from tests.phone.app_phone import AppPhone, said
from tests.phone.standins import Answer, llmsite, page, standing_in

pytestmark = pytest.mark.process

MakePhone = Callable[..., AppPhone]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server("uvicorn", tmp_path_factory.mktemp("server")).start()
    try:
        yield running
        running.check_log()
    finally:
        running.kill()


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[MakePhone]:
    """Somebody's phones, which share what is stored: `phone()` again is the App after it was killed."""
    made: list[AppPhone] = []

    def make(**more: Any) -> AppPhone:
        for one in made:
            one.end()
        made.append(AppPhone(tmp_path / "phone.json", headers=STRANGER, **more))
        return made[-1]

    yield make
    for one in made:
        one.end()


def scanned(server: Server) -> str:
    """What the QR code says."""
    return f"{server.http}/pair/?code={pairing_code(server)}"


def paired(server: Server, phone: MakePhone) -> AppPhone:
    app = phone()
    app.do("type", text=scanned(server))
    app.online()
    return app


def test_a_code_is_scanned_and_one_is_in_the_chat(server: Server, phone: MakePhone) -> None:
    app = phone()
    assert app.do("begin")["page"] == "pages/connect/connect", "there is no computer yet"
    app.do("type", text=scanned(server))
    standing = app.online()
    assert standing["page"] == "pages/chat/chat"
    assert standing["steps"] == ["asking", "done", "idle"]
    app.answered("hello", "echo: hello")


def test_the_next_start_opens_the_same_computer_at_once(server: Server, phone: MakePhone) -> None:
    first = paired(server, phone).do("look")["servers"]
    app = phone()
    assert app.do("begin")["server"]["token"] == first[0]["token"]
    assert app.online()["page"] == "pages/chat/chat"
    assert [(one["id"], one["bases"]) for one in app.do("look")["servers"]] == [(first[0]["id"], [server.http])]


def test_a_typed_address_asks_for_the_code(server: Server, phone: MakePhone) -> None:
    code = pairing_code(server)
    app = phone()
    app.do("type", text=f" １２７.0.0.1：{server.port} ")
    assert app.step("code")["way"]["before"] is False
    app.do("code", code="AAAA-AAAA")
    assert app.step("code")["way"]["refusal"]["kind"] == "refused"
    app.do("code", code=code.lower().replace("-", " "))
    app.online()


def test_a_used_code_is_refused(server: Server, phone: MakePhone, tmp_path: Path) -> None:
    address = scanned(server)
    app = phone()
    app.do("type", text=address)
    app.online()
    second = AppPhone(tmp_path / "second.json", headers=STRANGER)
    try:
        second.do("type", text=address)
        assert second.step("code")["way"]["refusal"]["kind"] == "refused"
        assert second.do("look")["servers"] == []
    finally:
        second.end()


def test_a_code_is_not_spent_by_a_phone_that_is_paired(server: Server, phone: MakePhone, tmp_path: Path) -> None:
    app, address = paired(server, phone), scanned(server)
    before = app.do("look")["servers"]
    app.do("type", text=address)
    app.until(lambda standing: standing["steps"][-1] == "idle")
    assert [one["token"] for one in app.do("look")["servers"]] == [one["token"] for one in before]
    second = AppPhone(tmp_path / "second.json", headers=STRANGER)
    try:
        second.do("type", text=address)
        second.online()
    finally:
        second.end()


def test_who_tries_too_often_is_told_when_to_go_on(phone: MakePhone, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "llmsite.toml").write_text("[limits]\npairings_per_minute = 1\n", encoding="utf-8")
    server = Server("uvicorn", tmp_path / "data").start()
    try:
        app = phone()
        app.do("type", text=server.address)
        app.step("code")
        app.do("code", code="AAAA-AAAA")
        app.step("code")
        app.do("code", code="BBBB-BBBB")
        refusal = app.step("code")["way"]["refusal"]
        assert refusal["kind"] == "wait"
        assert 1 <= refusal["seconds"] <= 60
    finally:
        server.kill()


def test_a_phone_that_was_shut_out_is_led_to_pairing_and_keeps_what_was_written(server: Server, phone: MakePhone) -> None:
    app = paired(server, phone)
    app.answered("before", "echo: before")
    before = app.do("look")
    device, owner = before["servers"][0]["device"], before["server"]["owner"]
    assert submit(server, "/pair/device/", {"device": device, "action": "revoke"}) == 302
    standing = app.until(lambda now: now["unpaired"])
    assert standing["page"] == "pages/connect/connect"
    app.do("say", text="while shut out")
    app.do("choose", id=before["servers"][0]["id"])
    way = app.step("code")["way"]
    assert way["before"] is True
    assert app.do("look")["servers"][0]["token"] == ""
    app.do("code", code=pairing_code(server, further=owner))
    app.until(lambda now: now["online"] and not now["waiting"])
    standing = app.do("look")
    assert standing["server"]["owner"] == owner
    assert standing["server"]["token"]


@contextmanager
def with_model_server(data: Path, answer: Answer) -> Iterator[str]:
    """llmsite, open to all, with a model that another server has; `answer` says whether it is there. Gives the address."""
    data.mkdir()
    with standing_in(answer) as backend:
        table = f'[models.far]\nengine = "openai"\nbase_url = "http://127.0.0.1:{backend.port}/v1"\nmodel = "m"\ntimeout_s = 60\n'
        (data / "llmsite.toml").write_text(table, encoding="utf-8")
        server = Server("uvicorn", data, model="far", environment={"LLMSITE_OPEN": "1"})
        with server.output.open("ab") as output:
            process = subprocess.Popen(command("uvicorn", server.port), cwd=ROOT, env=server.environment, stdout=output, stderr=output)
        try:
            yield server.address
        finally:
            process.kill()
            process.wait(10)


def test_a_model_that_loads_is_waited_for(phone: MakePhone, tmp_path: Path) -> None:
    loaded = threading.Event()

    def models(path: str) -> tuple[int, str]:
        loaded.wait(60)
        return 200, '{"object": "list", "data": []}'

    app = phone()
    with with_model_server(tmp_path / "data", models) as address:
        app.do("type", text=address)
        standing = app.step("loading")
        assert standing["way"]["known"]["owner"]
        assert standing["server"] is None, "the page waits"
        loaded.set()
        assert app.online()["steps"][-3:] == ["loading", "done", "idle"]


def test_one_may_go_in_while_it_loads(phone: MakePhone, tmp_path: Path) -> None:
    loaded = threading.Event()

    def models(path: str) -> tuple[int, str]:
        loaded.wait(60)
        return 200, '{"object": "list", "data": []}'

    app = phone()
    with with_model_server(tmp_path / "data", models) as address:
        app.do("type", text=address)
        app.step("loading")
        app.do("enter")
        assert app.online()["page"] == "pages/chat/chat"
        loaded.set()


def test_a_model_that_failed_is_said_and_the_computer_known(phone: MakePhone, tmp_path: Path) -> None:
    app = phone()
    with with_model_server(tmp_path / "data", page(500, "no")) as address:
        app.do("type", text=address)
        standing = app.until(lambda now: now["way"].get("outcome", {}).get("kind") == "failed")
        assert standing["said"]["title"] == "The model cannot be used."
        app.do("enter")
        app.online()


def test_a_server_that_is_away_is_tried_again_by_itself(phone: MakePhone, tmp_path: Path) -> None:
    server = Server("uvicorn", tmp_path / "data")
    app = phone()
    app.do("type", text=server.address)
    outcome = app.step("problem")["way"]["outcome"]
    assert (outcome["kind"], outcome["quick"]) == ("unreachable", True)
    server.start()
    try:
        app.step("code")
    finally:
        server.kill()


def test_without_the_computer_the_app_begins_with_what_it_knows(phone: MakePhone, tmp_path: Path) -> None:
    server = Server("uvicorn", tmp_path / "data").start()
    try:
        paired(server, phone)
        server.kill()
        app = phone()
        standing = app.do("begin")
        assert (standing["page"], standing["server"]["base"]) == ("pages/chat/chat", server.http)
        app.do("say", text="written offline")
        assert app.until(lambda now: now["waiting"] == 1)["online"] is False
        server.start()
        app.until(lambda now: ("assistant", "echo: written offline") in said(now))
        assert app.do("look")["waiting"] == 0
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("answer", "kind", "title"),
    [
        (page(200, "<html>router</html>"), "other", "Something else answers at"),
        (page(404, "Not found"), "other", "Something else answers at"),
        (llmsite(protocol=0), "older", "The computer’s llmsite is older than this app."),
        (llmsite(computer=""), "older", "The computer’s llmsite is older than this app."),
        (llmsite(protocol=99), "newer", "This app is older than the computer’s llmsite."),
        (page(503, "The server could not start: the data folder is in use\n"), "broken", "The server could not start."),
    ],
)
def test_what_answers_there_is_said(phone: MakePhone, answer: Answer, kind: str, title: str) -> None:
    with standing_in(answer) as there:
        app = phone()
        app.do("type", text=f"127.0.0.1:{there.port}")
        standing = app.step("problem")
        assert standing["way"]["outcome"]["kind"] == kind
        assert standing["said"]["title"].startswith(title)
        assert standing["said"]["todo"]
        assert {path for _, path, _ in there.asked} == {"/healthz"}


def test_a_port_without_a_server_is_told_from_the_right_one(server: Server, phone: MakePhone) -> None:
    app = phone()
    app.do("type", text=f"127.0.0.1:{free_port()}")
    assert app.step("problem")["way"]["outcome"]["kind"] == "unreachable"
    app.do("type", text=server.address)
    app.step("code")


def test_a_name_that_is_not_the_computers_is_said(server: Server, phone: MakePhone) -> None:
    app = phone(finder=[sys.executable, "-c", "print('127.0.0.1')"])  # whatever the name is
    app.do("type", text=f"elsewhere.local:{server.port}")
    assert app.step("problem")["said"]["title"] == "The computer does not go by the name elsewhere.local."


def test_a_phone_without_a_network_is_told_so(phone: MakePhone, server: Server) -> None:
    app = phone()
    app.do("network", kind="none")
    app.do("type", text="192.0.2.1:8000")
    standing = app.step("problem")
    assert standing["said"]["title"] == "This phone is in no network."


def test_another_computer_at_the_address_sees_no_token(phone: MakePhone, tmp_path: Path) -> None:
    server = Server("uvicorn", tmp_path / "data").start()
    app = paired(server, phone)
    app.answered("before", "echo: before")
    server.signal(SIGKILL)
    server.kill()
    with standing_in(llmsite(), port=server.port) as there:
        app.do("say", text="for my computer")
        app.do("network", kind="wifi")
        app.until(lambda now: len(there.asked) >= 3)
        known = app.do("look")["servers"][0]["id"]
        app.do("choose", id=known)
        standing = app.step("problem")
        assert standing["said"]["title"].startswith("Another computer has the address of")
        assert standing["waiting"] == 1
        assert {shown for _, _, shown in there.asked} == {""}
        assert {path.split("?")[0] for _, path, _ in there.asked} == {"/healthz"}
    server.start()
    try:
        app.until(lambda now: ("assistant", "echo: for my computer") in said(now))
    finally:
        server.kill()
