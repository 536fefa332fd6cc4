"""What a server of several processes needs is looked at before anything starts; what is missing is one sentence, without a secret in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llmsite.serve.exits import Exit
from tests.llmsite.serve.process import ROOT, environment, refused

POSTGRES = "postgres://me:pg-secret@127.0.0.1:1/llmsite"
REDIS = "redis://:redis-secret@127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("env", "code", "said"),
    [
        ({"DATABASE_URL": POSTGRES}, Exit.USAGE, "set REDIS_URL, for instance redis://127.0.0.1:6379/0"),
        ({"DATABASE_URL": POSTGRES, "REDIS_URL": "http://127.0.0.1"}, Exit.USAGE, "REDIS_URL is no address of Redis"),
        ({"REDIS_URL": REDIS}, Exit.USAGE, "need PostgreSQL, and this is SQLite: set DATABASE_URL"),
        ({"DATABASE_URL": POSTGRES, "REDIS_URL": REDIS}, Exit.DATABASE, "Redis at redis://127.0.0.1:1/0 cannot be used"),
        ({"REDIS_URL": REDIS, "LANG": "zh_CN.UTF-8"}, Exit.USAGE, "多进程需要 PostgreSQL"),
    ],
)
@pytest.mark.process
def test_what_is_missing_is_said(tmp_path: Path, env: dict[str, str], code: Exit, said: str) -> None:
    found, output = refused(tmp_path, "--workers", "2", "--port", "18999", env={"REDIS_URL": "", **env})
    assert said in output
    assert found == code
    assert "secret" not in output
    assert "Traceback" not in output
    for log in (tmp_path / "logs").glob("*.log"):
        assert "secret" not in log.read_text()


@pytest.mark.process
def test_the_engine_process_needs_the_same(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "engine"],
        env=environment(tmp_path, REDIS_URL=""),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "set REDIS_URL" in done.stderr) == (Exit.USAGE, True), done.stderr


@pytest.mark.process
def test_a_server_of_one_process_imports_nothing_of_redis(tmp_path: Path) -> None:
    code = "import llmsite.asgi, sys; print([name for name in sys.modules if name.partition('.')[0] in ('redis', 'psycopg_pool')])"
    env = {**environment(tmp_path), "DJANGO_SETTINGS_MODULE": "llmsite.settings", "PYTHONPATH": str(ROOT), "REDIS_URL": REDIS}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
