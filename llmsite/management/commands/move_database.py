"""`manage.py move_database --to URL`: everything that is stored, from the configured database to another one."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from llmsite import lock
from llmsite.databases import FILE, database, shown, sqlite
from llmsite.moving import move
from llmsite.secret import make_only_private_files
from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.words import say

EPILOG = """The server must be stopped; nothing is written to the old database, which stays as it is. The new one must be empty.
A password need not stand in the command: PostgreSQL's own PGPASSWORD and ~/.pgpass are read.

  python manage.py move_database --to postgres://llmsite@db.example/llmsite
  DATABASE_URL=postgres://llmsite@db.example/llmsite python manage.py move_database --to sqlite      back again, into the data folder"""


class Command(BaseCommand):
    help = "Copy everything that is stored from the configured database to another one, and count it on both sides."
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", required=True, metavar="URL", help="postgres://USER@HOST/NAME, or sqlite: the file in the data folder")

    def handle(self, *args: Any, **options: Any) -> None:
        config = settings.CONFIG
        make_only_private_files()
        source, target = database(config.database_url, config.data), _target(options["to"])
        held = lock.acquire(config.data)
        try:
            self.stdout.write(say("move.begins", source=shown(source), target=shown(target)))
            began = time.monotonic()
            found = move(source, target, _Line().show)
        finally:
            held.release()
            lock.release(config.data)
        width = max(len(one.table) for one in found)
        for one in found:
            self.stdout.write(f"  {one.table:<{width}}  {one.there:>9,}  {one.here:>9,}")
        rows = f"{sum(one.here for one in found):,}"
        self.stdout.write(say("move.done", rows=rows, seconds=f"{time.monotonic() - began:.1f}"))


def _target(url: str) -> dict[str, Any]:
    if url == "sqlite":
        return sqlite(settings.CONFIG.data / FILE)
    try:
        found = database(url, settings.CONFIG.data)
    except ValueError:
        found = {"ENGINE": "", "NAME": ""}  # its own sentence might hold the password
    if found["ENGINE"].endswith("sqlite3") and found["NAME"]:
        return sqlite(found["NAME"])
    if not found["ENGINE"].endswith("postgresql") or not found["NAME"]:
        raise Stopped(Exit.USAGE, say("move.url"))
    return found


class _Line:
    """How far it is, on a terminal."""

    def show(self, table: str, rows: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K  {table} {rows:,}\r")
            sys.stderr.flush()
