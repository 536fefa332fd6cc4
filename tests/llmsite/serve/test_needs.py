"""What a server of several processes needs is looked at before anything starts; what is missing is one sentence, without a secret in it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from llmsite.serve import needs, words
from llmsite.serve.exits import Exit, Stopped
from tests.llmsite.serve.process import ROOT, environment, refused

POSTGRES = "postgres://me:pg-secret@127.0.0.1:1/llmsite"
REDIS = "redis://:redis-secret@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LC_ALL", "C")
    words.language.cache_clear()
    yield
    words.language.cache_clear()


def stopped(redis_url: str) -> Stopped:
    with pytest.raises(Stopped) as found:
        needs.meeting_place(dataclasses.replace(settings.CONFIG, redis_url=redis_url))
    assert "secret" not in found.value.sentence
    assert found.value.__cause__ is None, "whose words would be in the log"
    return found.value


@pytest.mark.parametrize(
    ("redis_url", "code", "said"),
    [
        ("", Exit.USAGE, "set REDIS_URL, for instance redis://127.0.0.1:6379/0"),
        ("http://:secret@127.0.0.1", Exit.USAGE, "REDIS_URL is no address of Redis"),
        ("redis://:sec/ret-secret@127.0.0.1:1/0", Exit.USAGE, "REDIS_URL is no address of Redis"),
        (REDIS, Exit.DATABASE, "Redis at redis://127.0.0.1:1/0 cannot be used"),
    ],
)
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, redis_url: str, code: Exit, said: str) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql")
    found = stopped(redis_url)
    assert said in found.sentence
    assert found.code == code


def test_sqlite_is_refused() -> None:
    found = stopped(REDIS)
    assert (found.code, "this is SQLite: set DATABASE_URL" in found.sentence) == (Exit.USAGE, True)


def test_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_spec", lambda name: None)
    found = stopped(REDIS)
    assert found.code == Exit.INSTALL
    assert "(redis, psycopg_pool): python -m pip install -r requirements-scale.txt" in found.sentence


def test_no_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert "Linux or macOS" in stopped(REDIS).sentence


@pytest.mark.process
def test_serve_refuses_in_the_persons_language_and_keeps_secrets(tmp_path: Path) -> None:
    found, output = refused(tmp_path, "--workers", "2", env={"DATABASE_URL": POSTGRES, "REDIS_URL": REDIS, "LANG": "zh_CN.UTF-8"})
    assert (found, "无法使用 redis://127.0.0.1:1/0 上的 Redis" in output) == (Exit.DATABASE, True), output
    assert "Traceback" not in output
    for said in (output, *(log.read_text() for log in (tmp_path / "logs").glob("*.log"))):
        assert "secret" not in said


@pytest.mark.process
def test_a_server_of_one_process_imports_nothing_of_redis(tmp_path: Path) -> None:
    code = "import llmsite.asgi, sys; print([name for name in sys.modules if name.partition('.')[0] in ('redis', 'psycopg_pool')])"
    env = {**environment(tmp_path), "DJANGO_SETTINGS_MODULE": "llmsite.settings", "PYTHONPATH": str(ROOT), "REDIS_URL": REDIS}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
