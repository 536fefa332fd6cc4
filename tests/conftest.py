"""Fixtures that several folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from chat import limits, presence

if TYPE_CHECKING:
    from tests.postgres import Postgres
    from tests.redis import Redis

# How long an example takes says something about the machine, which may be busy; it is not what is tested.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _nobody_has_asked_for_anything() -> None:
    """The limits of this process begin anew with each test, and nobody was there before."""
    limits.shared.cache_clear()
    presence._seen.clear()


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A database file: the tests of async code read it from another thread, which cannot see a database in memory."""
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = settings.CONFIG.data / "test.sqlite3"


def _need(found: object, name: str, package: str) -> None:
    if found is None:
        assert not os.environ.get("CI"), f"CI must have {name}: install the package {package}"
        pytest.skip(f"there is no {name} here: install the package {package}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a process; each takes a database of its own from it."""
    from tests.postgres import Postgres, programs  # not on Windows

    _need(programs(), "PostgreSQL", "postgresql")
    with Postgres() as running:
        yield running


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """One server for all tests of a process; those of several servers take a number of their own from it."""
    from tests.redis import Redis, program

    _need(program(), "Redis", "redis-server")
    with Redis() as running:
        yield running
