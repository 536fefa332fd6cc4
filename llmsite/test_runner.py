"""`python manage.py test [pytest's arguments]`: every test there is, by pytest, in a process of its own.

Not Django's test command: it would load the settings, and with them the person's data folder, before the tests can choose another.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


# Files of tests go to several processes, one more than there are cores: most of them wait for servers and browsers more than they compute.
SIDE_BY_SIDE = ("-n", str(min((os.cpu_count() or 1) + 1, 4)), "--dist", "loadfile")


def run(arguments: Sequence[str]) -> int:
    """Run pytest and return its exit code; without arguments, everything, in several processes.

    The tests get a data folder of their own; LLMSITE_* settings of the person do not reach them.
    """
    with tempfile.TemporaryDirectory(prefix="llmsite-test-", ignore_cleanup_errors=True) as data:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LLMSITE_")}
        environment["LLMSITE_TEST_DATA"] = data  # tests/environment.py makes it LLMSITE_DATA
        process = subprocess.Popen([sys.executable, "-m", "pytest", *(arguments or SIDE_BY_SIDE)], cwd=ROOT, env=environment)
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                pass  # pytest got the same Ctrl-C, ends by itself, and says what it has
