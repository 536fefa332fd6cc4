"""By what the lists are narrowed. Each asks for conversations by a subquery, never by a join: a join would give a conversation once for each
of its messages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Min, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.names import REASONS
from chat.models import Device, Feedback, Message, Owner, Run

Choices = list[tuple[str, str]]


class Person(admin.SimpleListFilter):
    title = _("person")
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Choices:
        return [(str(owner.id), person(owner)) for owner in Owner.objects.order_by("name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(owner=self.value()) if _is_uuid(self.value()) else queryset


class ByDevice(admin.SimpleListFilter):
    """Conversations in which a device wrote."""

    title = _("device")
    parameter_name = "device"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Choices:
        return [(str(device.id), device_label(device)) for device in Device.objects.select_related("owner").order_by("name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not _is_uuid(self.value()):
            return queryset
        return queryset.filter(id__in=Message.objects.filter(device=self.value()).values("conversation"))


class ByModel(admin.SimpleListFilter):
    """Conversations in which a model answered."""

    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Choices:
        return [(name, name) for name in models()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(id__in=Run.objects.filter(model=self.value()).values("message__conversation")) if self.value() else queryset


class ByReason(admin.SimpleListFilter):
    """Conversations in which an answer ended so."""

    title = _("finish reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Choices:
        return [(reason, str(label)) for reason, label in REASONS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(id__in=Run.objects.filter(finish_reason=self.value()).values("message__conversation")) if self.value() else queryset


class ByRating(admin.SimpleListFilter):
    title = _("rating")
    parameter_name = "rating"
    meanings: dict[str, dict[str, Any]] = {"up": {"rating": 1}, "down": {"rating": -1}, "any": {}, "comment": {"comment__gt": ""}}

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Choices:
        return [("up", gettext("up")), ("down", gettext("down")), ("any", gettext("rated")), ("comment", gettext("with a comment"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        meaning = self.meanings.get(self.value() or "")
        return queryset if meaning is None else queryset.filter(id__in=Feedback.objects.filter(**meaning).values("message__conversation"))


class Deleted(admin.SimpleListFilter):
    title = _("deleted by its person")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> Choices:
        return [("yes", gettext("deleted")), ("no", gettext("not deleted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(deleted_at__isnull=self.value() == "no") if self.value() in ("yes", "no") else queryset


class Between(admin.ListFilter):
    """From one day to another, both included, in the admin's time zone."""

    title = _("date")
    template = "admin/chat/filter_between.html"
    field = "updated_at"
    parameters = ("since", "until")

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: admin.ModelAdmin) -> None:
        super().__init__(request, params, model, model_admin)
        given = {name: params.pop(name)[-1] for name in self.parameters if name in params}
        self.since, self.until = _day(given.get("since", "")), _day(given.get("until", ""))
        self.used_parameters = {name: day.isoformat() for name, day in (("since", self.since), ("until", self.until)) if day}

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str]:
        return list(self.parameters)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.since:
            queryset = queryset.filter(**{f"{self.field}__gte": _midnight(self.since)})
        if self.until:
            queryset = queryset.filter(**{f"{self.field}__lt": _midnight(self.until + timedelta(days=1))})
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """The quick ones. `spec` gives the template the rest: the two days, and the other parameters of the page."""
        today = timezone.localdate()
        self.others = parse_qsl(changelist.get_query_string(remove=["since", "until", "p"]).lstrip("?"))
        ranges = [(_("any date"), None), (_("today"), today), (_("7 days"), today - timedelta(days=6)), (_("30 days"), today - timedelta(days=29))]
        for label, since in ranges:
            link = changelist.get_query_string({"since": since.isoformat()} if since else {}, ["since", "until", "p"])
            yield {"selected": self.since == since and not self.until, "query_string": link, "display": label}


class CreatedBetween(Between):
    field = "created_at"


class RunModel(ByModel):
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(model=self.value()) if self.value() else queryset


class RunReason(ByReason):
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(finish_reason=self.value()) if self.value() else queryset


def models() -> list[str]:
    """The names of all models that have answered: from each the next one in the index, because counting them would pass every run."""
    found: list[str] = []
    while name := Run.objects.filter(model__gt=found[-1] if found else "").aggregate(Min("model"))["model__min"]:
        found.append(name)
    return found


def person(owner: Owner) -> str:
    return owner.name or gettext(owner.get_kind_display())


def device_label(device: Device) -> str:
    """Its name, with its person's where that says more."""
    name = gettext(device.name) if device.name else str(device.id)[:8]
    whose = person(device.owner)
    return name if whose == name else f"{name} · {whose}"


def _is_uuid(text: str | None) -> bool:
    try:
        return bool(UUID(text or ""))
    except ValueError:
        return False


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
