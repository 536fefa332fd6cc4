"""All that is stored, copied from one database to another: SQLite to PostgreSQL, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model
from django.db.utils import DatabaseError

from chat import search
from llmsite.database_use import alone
from llmsite.databases import shown
from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.words import say

SOURCE, TARGET = "source", "target"
BATCH = 1000
"""Rows that are in memory at once."""


@dataclass(frozen=True)
class Copied:
    """A table, and how many rows it has on both sides."""

    table: str
    there: int
    here: int


def move(source: dict[str, Any], target: dict[str, Any], told: Callable[[str, int], None]) -> list[Copied]:
    """Copy every row of `source` (Django's table of settings) into the empty `target`, in one transaction there; nothing is written to `source`.

    `told` is called with a table's name and its rows so far. Raises Stopped, InUse, and Django's DatabaseError where a database is out of reach.
    """
    _connect(SOURCE, _for_reading(source))
    _connect(TARGET, target)
    try:
        if (source["ENGINE"], str(source["NAME"]), source.get("HOST")) == (target["ENGINE"], str(target["NAME"]), target.get("HOST")):
            raise Stopped(Exit.USAGE, say("move.same"))
        with alone(connections[SOURCE]), alone(connections[TARGET]):
            _check_source(connections[SOURCE])
            _prepare_target(connections[TARGET])
            return _copy_all(told)
    finally:
        for alias in (SOURCE, TARGET):
            connections[alias].close()
            del connections[alias]
            del connections.settings[alias]


def _copy_all(told: Callable[[str, int], None]) -> list[Copied]:
    with transaction.atomic(using=SOURCE), transaction.atomic(using=TARGET):
        _fix_snapshot(connections[SOURCE])
        _empty_what_migrating_made()
        search.drop_index(connections[TARGET])
        for model in _models():
            _copy(model, told)
        _set_sequences(connections[TARGET])
        connections[TARGET].check_constraints()
        search.make_index(connections[TARGET])
        found = [Copied(model._meta.db_table, _count(model, SOURCE), _count(model, TARGET)) for model in _models()]
        if wrong := [one for one in found if one.there != one.here]:
            raise Stopped(Exit.DATABASE, say("move.counts", table=wrong[0].table, there=wrong[0].there, here=wrong[0].here))
    return found


def _connect(alias: str, table: dict[str, Any]) -> None:
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: dict(table)})[alias]


def _for_reading(table: dict[str, Any]) -> dict[str, Any]:
    if not table["ENGINE"].endswith("sqlite3"):
        return table
    return {**table, "OPTIONS": {"timeout": 20, "init_command": "PRAGMA query_only=ON; PRAGMA mmap_size=134217728;"}}


def _fix_snapshot(connection: BaseDatabaseWrapper) -> None:
    """All tables are read as they are at one moment. SQLite does so by itself."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _check_source(connection: BaseDatabaseWrapper) -> None:
    executor = MigrationExecutor(connection)
    known = set(executor.loader.disk_migrations)
    newer = [f"{app}.{name}" for app, name in executor.loader.applied_migrations if (app, name) not in known and app in executor.loader.migrated_apps]
    if newer:
        raise Stopped(Exit.DATABASE, say("database_newer", migration=newer[-1]))
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise Stopped(Exit.DATABASE, say("move.old", path=shown(connection.settings_dict)))


def _prepare_target(connection: BaseDatabaseWrapper) -> None:
    """The tables are made; a database with rows of ours, or with anything else in it, is refused untouched."""
    where = shown(connection.settings_dict)
    ours = {"django_migrations", *(model._meta.db_table for model in _models())}
    found = set(connection.introspection.table_names())
    if foreign := sorted(name for name in found - ours if not name.startswith("chat_searchindex")):
        raise Stopped(Exit.DATABASE, say("move.foreign", path=where, table=foreign[0]))
    for model in _models():
        if model._meta.db_table in found and not _made_by_migrating(model) and model._base_manager.using(TARGET).exists():
            raise Stopped(Exit.DATABASE, say("move.not_empty", path=where, table=model._meta.db_table))
    call_command("migrate", database=TARGET, verbosity=0, interactive=False, skip_checks=True)


def _models() -> Iterator[type[Model]]:
    return (model for model in apps.get_models(include_auto_created=True) if model._meta.managed and not model._meta.proxy)


def _made_by_migrating(model: type[Model]) -> bool:
    """Django, and migration 0002, fill these by themselves, with numbers of their own."""
    return model._meta.label in ("contenttypes.ContentType", "auth.Permission", "chat.Persona")


def _empty_what_migrating_made() -> None:
    for model in reversed(list(_models())):
        if _made_by_migrating(model):
            model._base_manager.using(TARGET).all()._raw_delete(TARGET)  # type: ignore[attr-defined]


def _copy(model: type[Model], told: Callable[[str, int], None]) -> None:
    """Values as Python knows them, so that each side stores them in its own way; written past the models, which would set dates anew."""
    connection, table = connections[TARGET], model._meta.db_table
    fields = model._meta.concrete_fields
    quote = connection.ops.quote_name
    names, places = ", ".join(quote(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {quote(table)} ({names}) VALUES ({places})"
    done = 0
    for rows in _batches(model._base_manager.using(SOURCE).order_by().values_list(*(field.attname for field in fields)).iterator(BATCH)):
        values = [[field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)] for row in rows]
        try:
            with connection.cursor() as cursor:
                cursor.executemany(statement, values)
        except DatabaseError as error:
            raise Stopped(Exit.DATABASE, say("move.row", table=table, reason=" ".join(str(error).split()))) from error
        told(table, done := done + len(rows))


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _set_sequences(connection: BaseDatabaseWrapper) -> None:
    """The next number of each table is behind those that were copied. SQLite counts along by itself."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(_models())):
            cursor.execute(statement)


def _count(model: type[Model], alias: str) -> int:
    return model._base_manager.using(alias).count()
