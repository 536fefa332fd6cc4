"""`manage.py export_training FILE`: stored conversations as JSON lines, for micromind's fine-tuning and preference stages."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.training_data import records


class Command(BaseCommand):
    help = (
        "Write what people here talked about with the models as training data. The file holds private conversations: read it before you pass it on."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a new file, one JSON object a line")
        parser.add_argument("--form", choices=("sft", "dpo"), default="sft", help="conversations (sft), or pairs of answers by people's thumbs (dpo)")
        parser.add_argument("--mask", action="store_true", help="replace names, addresses and long numbers, as far as they can be told")
        parser.add_argument("--name", action="append", default=[], metavar="NAME", help="with --mask: a further name to replace; may be repeated")
        parser.add_argument("--rated-only", action="store_true", help="sft: only conversations with an answer that somebody rated up")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if options["name"] and not options["mask"]:
            raise CommandError("--name says what --mask replaces: give --mask too.")
        found = records(options["form"], masked=options["mask"], rated_only=options["rated_only"], names=frozenset(options["name"]))
        try:
            # For its owner alone; an existing file is not overwritten.
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as lines:
                count = 0
                for record in found:
                    lines.write(json.dumps(record, ensure_ascii=False) + "\n")
                    count += 1
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror or error}.") from error
        self.stdout.write(f"{count} {'pairs' if options['form'] == 'dpo' else 'conversations'} in {file}")
