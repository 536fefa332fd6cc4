"""`manage.py engine`: everything is in llmsite.serve.engine_process."""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from llmsite.serve.options import ENGINE_DESCRIPTION, EPILOG, add_engine_options


class Command(BaseCommand):
    help = ENGINE_DESCRIPTION
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        add_engine_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        from llmsite.serve.engine_process import serve_engine  # late, so that --help needs no server

        serve_engine(settings.CONFIG)
