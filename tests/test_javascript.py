"""The clients' modules, tested by Node's own runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))


def test_the_javascript_tests_pass() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed: the tests of the clients' JavaScript need node 20 or newer")
    command = [node, "--test", "--test-reporter=tap", *map(str, TESTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    ran = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert ran, done.stdout
    assert int(ran[1]) >= len(TESTS), done.stdout


def test_the_javascript_keeps_its_rules() -> None:
    """ESLint over the page, what it shares with the phone client, and the tests of both."""
    if not (ROOT / "frontend-uniapp" / "node_modules" / "eslint").is_dir() or shutil.which("npm") is None:
        assert not os.environ.get("CI"), "CI must have ESLint: npm ci --prefix frontend-uniapp"
        pytest.skip("ESLint is not installed: npm ci --prefix frontend-uniapp")
    done = subprocess.run(["npm", "run", "-s", "lint"], cwd=ROOT / "frontend-uniapp", capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
