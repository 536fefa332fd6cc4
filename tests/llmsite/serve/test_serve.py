"""`manage.py serve` as a process: what it says, how it refuses, how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.llmsite.serve.process import ROOT, Serving, environment, refused, serving

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a finished database: copying it is quicker than migrating in each test."""
    data = tmp_path_factory.mktemp("migrated")
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=environment(data), check=True, timeout=120)
    return data


@pytest.fixture
def data(tmp_path: Path, migrated: Path) -> Path:
    shutil.copytree(migrated, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def server(data: Path, port: int) -> Iterator[Serving]:
    with serving(data, "--host", "127.0.0.1", "--port", str(port)) as running:
        running.wait_for("Only this computer")
        yield running


def health(port: int) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        return dict(json.load(answer))


def assert_one_sentence(said: str) -> None:
    assert "Traceback" not in said
    assert "\n" not in said.strip(), said


# --- it starts ---------------------------------------------------------------------------------------------------------------------


def test_a_first_start_says_what_one_needs_to_know(tmp_path: Path, port: int) -> None:
    with serving(tmp_path / "new", "--host", "127.0.0.1", "--port", str(port), "--timings") as server:
        server.wait_for("total")
        said = "\n".join(server.lines)
        assert health(port)["status"] == "ready"
    for words in (
        "Made a new database.",
        "Loaded fake",
        "llmsite is ready",
        "4,096 tokens",
        str(tmp_path / "new"),
        f"http://127.0.0.1:{port}/",
        "Ctrl-C",
    ):
        assert words in said
    for step in ("Python and Django", "database", "model", "listening and checking itself"):
        assert f"\n{step}  " in said
    assert "█" not in said  # no QR code into a pipe


def test_the_second_start_is_ready_in_seconds_and_has_nothing_to_migrate(data: Path, port: int) -> None:
    with serving(data, "--host", "127.0.0.1", "--port", str(port)) as server:
        server.wait_for("llmsite is ready")
        assert time.monotonic() - server.began < 10  # ~1.5 s alone; the tests share two cores
        assert not any("database" in line.lower() for line in server.lines)


def test_it_says_why_answers_are_slower_than_they_could_be(data: Path, port: int, tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho no such processor >&2; exit 1\n", encoding="utf-8")
    compiler.chmod(0o755)
    asked = {"LLMSITE_MODEL": "micromind", "CC": str(compiler)}
    with serving(data, "--host", "127.0.0.1", "--port", str(port), env=asked) as running:
        line = running.wait_for("several times slower")
        assert "the C compiler failed (no such processor)" in line


def test_chinese_where_the_system_speaks_it(data: Path, port: int) -> None:
    with serving(data, "--host", "127.0.0.1", "--port", str(port), env={"LANG": "zh_CN.UTF-8"}) as server:
        server.wait_for("llmsite 已就绪")
        server.wait_for("只有本机可以访问")


def test_it_says_so_when_the_phone_client_is_built(data: Path, port: int, tmp_path: Path) -> None:
    (tmp_path / "h5").mkdir()
    (tmp_path / "h5" / "index.html").write_text("<!doctype html><title>client</title>", encoding="utf-8")
    with serving(data, "--host", "127.0.0.1", "--port", str(port), env={"LLMSITE_PHONE_CLIENT": str(tmp_path / "h5")}) as server:
        server.wait_for(f"Client   http://127.0.0.1:{port}/m/ (the phone client")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/m/", timeout=5) as answer:
            assert b"client" in answer.read()


def test_open_is_said_clearly(data: Path, port: int) -> None:
    with serving(data, "--host", "127.0.0.1", "--port", str(port), "--open") as server:
        server.wait_for("everyone who can reach this address may chat")


# --- it refuses --------------------------------------------------------------------------------------------------------------------


def test_port_taken(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        code, said = refused(data, "--host", "127.0.0.1", "--port", str(taken))
    assert code == 3
    assert_one_sentence(said)
    assert f"Port {taken} is taken by" in said
    assert f"(process {os.getpid()})" in said


def test_the_data_folder_is_in_use(data: Path, server: Serving) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    code, said = refused(data, "--host", "127.0.0.1", "--port", str(free))
    assert code == 8
    assert_one_sentence(said)
    assert f"(process {server.process.pid})" in said
    assert str(data) in said


def test_no_such_address(data: Path, port: int) -> None:
    code, said = refused(data, "--host", "203.0.113.1", "--port", str(port))
    assert code == 2
    assert_one_sentence(said)
    assert "no address 203.0.113.1" in said


@pytest.mark.parametrize("arguments", [["--port", "none"], ["--unknown"], ["--mod", "fake"]])
def test_wrong_options_are_usage_errors(data: Path, arguments: list[str]) -> None:
    code, said = refused(data, *arguments)
    assert code == 2
    assert "usage:" in said
    assert "Traceback" not in said


def test_wrong_configuration(data: Path) -> None:
    (data / "llmsite.toml").write_text("[server]\nprot = 1\n")
    code, said = refused(data)
    assert code == 2
    assert_one_sentence(said)
    assert "'prot'" in said


def test_model_missing(data: Path, port: int) -> None:
    code, said = refused(data, "--host", "127.0.0.1", "--port", str(port), "--model", str(data / "nowhere"))
    assert code == 6
    assert "Traceback" not in said
    assert f"no model at {data / 'nowhere'}" in said.splitlines()[-1]


def test_model_broken(data: Path, port: int) -> None:
    (data / "broken").mkdir()
    (data / "broken" / "config.json").write_text("{")
    code, said = refused(data, "--host", "127.0.0.1", "--port", str(port), "--model", str(data / "broken"))
    assert code == 6
    assert "Traceback" not in said
    assert str(data / "broken") in said.splitlines()[-1]


def test_database_newer_than_the_program(data: Path, port: int) -> None:
    with sqlite3.connect(data / "llmsite.sqlite3") as database:
        database.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('chat', '9999_of_tomorrow', '2030-01-01')")
    database.close()
    code, said = refused(data, "--host", "127.0.0.1", "--port", str(port))
    assert code == 9
    assert_one_sentence(said)
    assert "chat.9999_of_tomorrow" in said


def test_database_that_is_none(data: Path, port: int) -> None:
    for file in data.glob("llmsite.sqlite3*"):
        file.unlink()
    (data / "llmsite.sqlite3").write_bytes(b"not a database " * 1000)
    code, said = refused(data, "--host", "127.0.0.1", "--port", str(port))
    assert code == 9
    assert_one_sentence(said)


def test_database_server_out_of_reach(data: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = probe.getsockname()[1]
    env = {"DATABASE_URL": f"postgres://u:p@127.0.0.1:{nobody}/x"}
    code, said = refused(data, "--host", "127.0.0.1", "--port", str(port), env=env)
    assert code == 9
    assert_one_sentence(said)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="a full disk needs root on Linux: a small tmpfs is mounted")
@pytest.mark.parametrize("free_kb", [0, 40, 200])
def test_disk_full(data: Path, tmp_path: Path, port: int, free_kb: int) -> None:
    """From nothing at all to room for the key but not for the database."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
    try:
        with open(small / "filler", "wb", buffering=0) as filler:
            fill_until(filler, small, free_kb * 1024)
        code, said = refused(tmp_path, "--host", "127.0.0.1", "--port", str(port), "--data", str(small))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert code == 5, said
    assert_one_sentence(said)
    assert "disk is full" in said


def fill_until(filler: object, folder: Path, left: int) -> None:
    while shutil.disk_usage(folder).free > left:
        filler.write(b"x" * 4096)  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("setpriv"), reason="giving up root's rights needs root")
def test_no_permission_for_the_data_folder(tmp_path: Path, port: int) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    env = environment(locked / "data")
    # Root may write everywhere; without this capability it is refused as anybody is.
    command = ["setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override", sys.executable, str(ROOT / "manage.py"), "serve"]
    done = subprocess.run(
        [*command, "--host", "127.0.0.1", "--port", str(port)], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4, done.stderr
    assert_one_sentence(done.stderr)
    assert str(locked) in done.stderr


# --- it ends -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals between processes")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_it_ends_within_two_seconds(server: Serving, name: str) -> None:
    code, seconds = server.end(signal.Signals[name])
    assert code == 0
    assert seconds < 2.0
    assert "Traceback" not in server.rest()


def test_it_ends_while_a_phone_hangs(data: Path, server: Serving, port: int) -> None:
    """Connections that say nothing, and one whose request never becomes whole, do not hold it up; nor is that a fault for the log."""
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    idle[0].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    idle[1].sendall(b"POST /api/pair HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    code, seconds = server.end()
    assert code == 0
    assert seconds < 2.0
    assert "Traceback" not in "".join(path.read_text("utf-8") for path in (data / "logs").iterdir())
    for connection in idle:
        connection.close()


def test_it_can_start_again_at_once(data: Path, server: Serving, port: int) -> None:
    server.end()
    with serving(data, "--host", "127.0.0.1", "--port", str(port)) as again:
        again.wait_for("llmsite is ready")
        assert health(port)["status"] == "ready"


def test_a_killed_server_leaves_nothing_in_the_way(data: Path, server: Serving, port: int) -> None:
    server.end(signal.SIGKILL)
    with serving(data, "--host", "127.0.0.1", "--port", str(port)) as again:
        again.wait_for("llmsite is ready")


def test_stopped_while_loading(data: Path, port: int) -> None:
    """The slowest part of the start is interruptible, too. A model server that never answers stands for a model that loads for long."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        (data / "llmsite.toml").write_text(f'[models.slow]\nengine = "openai"\nbase_url = "{url}"\nmodel = "m"\ntimeout_s = 60\n')
        with serving(data, "--host", "127.0.0.1", "--port", str(port), "--model", "slow") as server:
            server.wait_for("Loading slow")
            code, seconds = server.end()
    assert code == 0
    assert seconds < 2.0
