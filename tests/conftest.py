"""Fixtures that several folders share."""

from __future__ import annotations

import pytest
from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from chat import limits, presence

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
