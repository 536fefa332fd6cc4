"""`manage.py serve`: everything is in llmsite.serve."""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from llmsite.serve.options import DESCRIPTION, EPILOG, add_options


class Command(BaseCommand):
    help = DESCRIPTION
    requires_system_checks: list[str] = []  # they are for developers, and `manage.py test` runs them

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        from llmsite.serve.run import serve  # late, so that --help needs no server

        # The other options are in CONFIG already: see llmsite.serve.options.
        serve(settings.CONFIG, timings=options["timings"], qr=not options["no_qr"], workers=options["workers"] or 0)
