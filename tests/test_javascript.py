"""The clients' modules, tested by Node's own runner."""

from __future__ import annotations

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
