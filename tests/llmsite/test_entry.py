from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llmsite import entry, test_runner
from tests.llmsite.serve.process import ROOT, environment

LOOK = """
import django, sys
django.setup()
from django.core.management import call_command
call_command("check")
call_command("migrate", verbosity=0)
import llmsite.serve.run
print(sorted({"torch", "transformers", "twisted", "daphne", "openai"} & set(sys.modules)))
"""


@pytest.mark.process
def test_nothing_heavy_is_imported_before_the_model_is_loaded(tmp_path: Path) -> None:
    env = environment(tmp_path, DJANGO_SETTINGS_MODULE="llmsite.settings")
    done = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.process
def test_help_shows_the_options_and_the_exit_codes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "serve", "--help"], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    for words in ("--host", "--port", "--open", "--model", "--data", "--timings", "--no-qr", "  8  another server uses the data folder"):
        assert words in done.stdout


def test_test_goes_to_pytest_before_django_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(test_runner, "run", lambda arguments: seen.append(list(arguments)) or 5)
    assert entry.run(["manage.py", "test", "-k", "x", "--lf"]) == 5
    assert seen == [["-k", "x", "--lf"]]


@pytest.mark.process
def test_the_runner_returns_pytests_code_and_keeps_the_persons_settings_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = tmp_path / "test_look.py"
    look.write_text("import os\ndef test_look():\n    assert 'mine' not in os.environ['LLMSITE_DATA'] and 'LLMSITE_OPEN' not in os.environ\n")
    monkeypatch.setenv("LLMSITE_DATA", str(tmp_path / "mine"))
    monkeypatch.setenv("LLMSITE_OPEN", "1")
    arguments = [str(look), "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    assert test_runner.run(arguments) == 0
    look.write_text("def test_look():\n    assert False\n")
    assert test_runner.run(arguments) == 1
    assert not (tmp_path / "mine").exists()
