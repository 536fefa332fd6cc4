"""What all lists of the admin have in common."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst

COUNT_AT_MOST = 2000


class AtLeast(int):
    """A count that stopped: it says so."""

    def __str__(self) -> str:
        return f"{int(self)}+"


class Pages(Paginator):
    """Asks once, for the keys of at most COUNT_AT_MOST rows: Django's own asks for the number of all rows and then for those of the page, and what
    is searched for or filtered by is looked up twice. What lies further back is reached by a filter, not by page 41."""

    @cached_property
    def keys(self) -> list[Any]:
        return list(self.object_list.values_list("pk", flat=True)[: COUNT_AT_MOST + 1])

    @cached_property
    def count(self) -> int:
        return len(self.keys) if len(self.keys) <= COUNT_AT_MOST else AtLeast(COUNT_AT_MOST)


class Rows(ChangeList):
    """A page of a list: its rows are fetched by the keys that the paginator has."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        keys = self.paginator.keys[:COUNT_AT_MOST][(self.page_num - 1) * self.list_per_page : self.page_num * self.list_per_page]
        found = self.apply_select_related(self.root_queryset).in_bulk(keys)
        self.result_list = [found[key] for key in keys if key in found]


class List(admin.ModelAdmin):
    """Nobody adds a row by hand, and nothing that was recorded is removed one by one."""

    paginator = Pages
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0

    class Media:
        css = {"all": ("chat/admin/lists.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Rows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Named by what it lists: «select … to change» is not what one does here."""
        return super().changelist_view(request, {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})})

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
