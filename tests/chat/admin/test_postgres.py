"""Every page of the admin on PostgreSQL: the search, the percentiles and the stretches of time are written for each database by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.admin import Worker
from tests.postgres import Postgres


@pytest.mark.postgres
@pytest.mark.process
def test_every_page_opens_on_postgresql(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres.database())
    worker = Worker(600, tmp_path)
    try:
        assert worker.hello["rows"]["Message"] == 600
        for page in worker.hello["pages"]:
            assert worker.ask(page)["kb"] > 5, page
    finally:
        worker.end()
