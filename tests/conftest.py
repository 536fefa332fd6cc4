"""Fixtures that several folders share."""

from __future__ import annotations

import pytest
from django.conf import settings


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """A database file: the tests of async code read it from another thread, which cannot see a database in memory."""
    settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = settings.CONFIG.data / "test.sqlite3"
