from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.redis import Redis, program


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    if program() is None:
        assert not os.environ.get("CI"), "CI must have Redis: install the package redis-server"
        pytest.skip("there is no Redis here: install the package redis-server")
    with Redis() as running:
        yield running
