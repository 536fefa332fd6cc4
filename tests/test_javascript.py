"""The clients' modules: those that both share by Node's own runner, the phone client's by vitest, and the rules for all of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "frontend-uniapp"
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))


def run(command: list[str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def need(package: str) -> None:
    """Skips where the client's tools are not installed; in CI they must be."""
    if not (CLIENT / "node_modules" / package).is_dir() or shutil.which("npm") is None:
        assert not os.environ.get("CI"), f"CI must have {package}: npm ci --prefix frontend-uniapp"
        pytest.skip(f"{package} is not installed: npm ci --prefix frontend-uniapp")


def test_the_javascript_tests_pass() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed: the tests of the clients' JavaScript need node 20 or newer")
    done = run([node, "--test", "--test-reporter=tap", *map(str, TESTS)], cwd=ROOT)
    ran = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert ran, done.stdout
    assert int(ran[1]) >= len(TESTS), done.stdout


def test_the_phone_clients_tests_pass(tmp_path: Path) -> None:
    need("vitest")
    told = tmp_path / "told.json"
    done = run(["npx", "--no-install", "vitest", "run", "--reporter=default", "--reporter=json", f"--outputFile.json={told}"], cwd=CLIENT)
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
    ran = json.loads(told.read_text(encoding="utf-8"))
    files = {Path(one["name"]).relative_to(CLIENT) for one in ran["testResults"]}
    assert files == {path.relative_to(CLIENT) for path in (CLIENT / "tests").rglob("*.test.js")}, "a file of tests was not run"
    assert ran["numPassedTests"] == ran["numTotalTests"] >= len(files) > 0, "a test was left out"


def test_the_javascript_keeps_its_rules() -> None:
    """ESLint over the page, what it shares with the phone client, and the tests of both."""
    need("eslint")
    done = run(["npm", "run", "-s", "lint"], cwd=CLIENT)
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
