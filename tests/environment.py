"""A pytest plugin, loaded before Django's settings are: the tests have a data folder of their own and the fake engine."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

if data := os.environ.get("LLMSITE_TEST_DATA"):
    # Each of several workers (pytest-xdist) has its own.
    os.environ["LLMSITE_DATA"] = os.path.join(data, os.environ.get("PYTEST_XDIST_WORKER", ""))
else:
    os.environ["LLMSITE_DATA"] = tempfile.mkdtemp(prefix="llmsite-test-")
    atexit.register(shutil.rmtree, os.environ["LLMSITE_DATA"], ignore_errors=True)
os.environ["LLMSITE_MODEL"] = "fake"
for name in (
    "LLMSITE_OPEN",
    "LLMSITE_HOST",
    "LLMSITE_PORT",
    "LLMSITE_CONFIG",
    "LLMSITE_HOSTS",
    "LLMSITE_CORS_ORIGINS",
    "LLMSITE_METRICS_TOKEN",
    "DATABASE_URL",
    "REDIS_URL",
    "HF_ENDPOINT",
):
    os.environ.pop(name, None)
# Whether somebody has built the phone client must not decide what a test sees; those of the client name a build (tests/phone).
os.environ["LLMSITE_PHONE_CLIENT"] = "0"
# The decoder in C is compiled once for all tests: what lies there is named by what it was made from.
os.environ["LLMSITE_NATIVE"] = os.path.join(tempfile.gettempdir(), f"llmsite-tests-native-{os.getuid()}")
# Nothing in the tests may look for a hub, or tell the machine's network of itself.
os.environ["LLMSITE_MDNS"] = "0"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
