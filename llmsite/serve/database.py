"""The database at the start: brought up to date, or refused when a newer program has written it."""

from __future__ import annotations

from typing import Literal

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.words import say


def bring_up_to_date() -> tuple[Literal["as it was", "made", "updated"], int]:
    """Run the migrations that are missing. Returns what happened and how many ran; raises Stopped, or Django's DatabaseError."""
    connection = connections[DEFAULT_DB_ALIAS]
    executor = MigrationExecutor(connection)
    applied, known = set(executor.loader.applied_migrations), set(executor.loader.disk_migrations)
    apps = executor.loader.migrated_apps
    # A squashed migration that replaced others leaves their names in the database; those are not from the future.
    replaced = {name for migration in executor.loader.disk_migrations.values() for name in migration.replaces}
    if unknown := sorted(f"{app}.{name}" for app, name in applied - known - replaced if app in apps):
        raise Stopped(Exit.DATABASE, say("database_newer", migration=unknown[-1]))
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return "as it was", 0
    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    return ("updated" if applied else "made"), len(plan)
