"""`manage.py restore FILE`: a copy that `backup` made becomes the database again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from llmsite import backups, lock
from llmsite.databases import FILE
from llmsite.secret import make_only_private_files
from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.words import say


class Command(BaseCommand):
    help = "Make a copy of the SQLite database the database again. The server must be stopped; what was there is kept beside it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what `manage.py backup` wrote")

    def handle(self, *args: Any, **options: Any) -> None:
        config = settings.CONFIG
        if config.database_url:
            raise Stopped(Exit.USAGE, say("backup.postgres"))
        make_only_private_files()
        lock.acquire(config.data)
        try:
            rows, kept = backups.put_back(options["file"], config.data / FILE)
        finally:
            lock.release(config.data)
        self.stdout.write(say("backup.restored", path=options["file"], **rows))
        if kept is not None:
            self.stdout.write(say("backup.kept", path=kept))
