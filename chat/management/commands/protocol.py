"""`manage.py protocol`: write what is generated from the wire; with --check, say whether it is up to date."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.generate import files


class Command(BaseCommand):
    help = "Write docs/protocol.md, docs/protocol.schema.json and the clients' protocol.js from chat/protocol.py."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Write nothing; exit with 1 when a file is stale.")

    def handle(self, *args: Any, check: bool = False, **options: Any) -> None:
        stale = {path: text for name, text in files().items() if _read(path := settings.BASE_DIR / name) != text}
        if check and stale:
            names = ", ".join(str(path.relative_to(settings.BASE_DIR)) for path in stale)
            raise CommandError(f"Stale: {names}. Run `python manage.py protocol`.", returncode=1)
        for path, text in stale.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            self.stdout.write(f"wrote {path.relative_to(settings.BASE_DIR)}")
        if not stale:
            self.stdout.write("up to date")


def _read(path: Any) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
