"""`manage.py backup FILE`: a copy of the database, while the server runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from llmsite import backups
from llmsite.databases import FILE
from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.words import say


class Command(BaseCommand):
    help = "Copy the SQLite database to a file while the server runs. PostgreSQL: pg_dump (docs/scaling.md)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="where to; it must not be there yet")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.CONFIG.database_url:
            raise Stopped(Exit.USAGE, say("backup.postgres"))
        rows = backups.copy(settings.CONFIG.data / FILE, options["file"])
        self.stdout.write(say("backup.done", path=options["file"], megabytes=f"{options['file'].stat().st_size / 2**20:.1f}", **rows))
