from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import ConnectionHandler

from llmsite.serve import database
from llmsite.serve.database import bring_up_to_date
from llmsite.serve.exits import Exit, Stopped


@pytest.fixture
def empty_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A database file of its own, so that the migrations really run."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        original = connections[DEFAULT_DB_ALIAS]
        own = ConnectionHandler({DEFAULT_DB_ALIAS: {**original.settings_dict, "NAME": str(tmp_path / "db.sqlite3")}})[DEFAULT_DB_ALIAS]
        connections[DEFAULT_DB_ALIAS] = own
        yield
        own.close()
        connections[DEFAULT_DB_ALIAS] = original


@pytest.mark.usefixtures("empty_database")
def test_made_then_left_alone_then_refused_when_newer() -> None:
    done, count = bring_up_to_date()
    assert done == "made"
    assert count > 10
    assert bring_up_to_date() == ("as it was", 0)
    MigrationRecorder(connections[DEFAULT_DB_ALIAS]).record_applied("chat", "9999_of_tomorrow")
    with pytest.raises(Stopped, match=r"newer version.*chat\.9999_of_tomorrow") as caught:
        bring_up_to_date()
    assert caught.value.code is Exit.DATABASE


@pytest.mark.usefixtures("empty_database")
def test_an_app_that_was_removed_does_not_make_the_database_newer() -> None:
    bring_up_to_date()
    MigrationRecorder(connections[DEFAULT_DB_ALIAS]).record_applied("an_app_of_yesterday", "0001_initial")
    assert bring_up_to_date() == ("as it was", 0)


@pytest.mark.usefixtures("empty_database")
def test_what_is_missing_is_added() -> None:
    bring_up_to_date()
    database.call_command("migrate", "sessions", "zero", verbosity=0)
    done, count = bring_up_to_date()
    assert (done, count) == ("updated", 1)
