"""What all lists of the admin have in common."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest

COUNT_AT_MOST = 5000


class ShortCount(Paginator):
    """Counts to COUNT_AT_MOST and no further: a search that finds half of all conversations need not be run to its end to show its first page.
    What lies behind that is reached by a filter, not by page 51."""

    @cached_property
    def count(self) -> int:
        return int(self.object_list.order_by()[:COUNT_AT_MOST].count())


class List(admin.ModelAdmin):
    """Nobody adds a row by hand, and nothing that was recorded is removed one by one."""

    paginator = ShortCount
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0

    class Media:
        css = {"all": ("chat/admin/lists.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Record(List):
    """What happened cannot be edited afterwards."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def short(text: str, chars: int = 80) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: chars * 2].split())
    return line if len(line) <= chars else f"{line[: chars - 1]}…"


def seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def number(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
