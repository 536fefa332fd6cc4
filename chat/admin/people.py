"""The people behind the devices."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.filters import person
from chat.admin.lists import List
from chat.admin.names import KINDS
from chat.models import Conversation, Device, Owner
from chat.people import join_owners
from chat.services import Refused


@admin.register(Owner)
class OwnerAdmin(List):
    list_display = ("label", "what", "devices", "conversations", "created_at")
    search_fields = ("name", "devices__name")
    ordering = ("-created_at",)
    fields = ("name", "what", "created_at")
    readonly_fields = ("what", "created_at")
    actions = ("join",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Owner]:
        devices = Device.objects.filter(owner=OuterRef("pk")).order_by().values("owner").annotate(n=Count("id")).values("n")
        conversations = Conversation.objects.filter(owner=OuterRef("pk")).order_by().values("owner").annotate(n=Count("id")).values("n")
        counts = {"device_count": Coalesce(Subquery(devices), 0), "conversation_count": Coalesce(Subquery(conversations), 0)}
        return super().get_queryset(request).annotate(**counts)

    @admin.display(description=_("person"), ordering="name")
    def label(self, owner: Owner) -> str:
        return person(owner)

    @admin.display(description=_("kind"), ordering="kind")
    def what(self, owner: Owner) -> str:
        return str(KINDS[owner.kind])

    @admin.display(description=_("devices"), ordering="device_count")
    def devices(self, owner: Owner) -> int:
        return int(owner.device_count)

    @admin.display(description=_("conversations"), ordering="conversation_count")
    def conversations(self, owner: Owner) -> SafeString:
        address = reverse("admin:chat_conversation_changelist")
        return format_html('<a href="{}?person={}">{}</a>', address, owner.id, owner.conversation_count)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        obj.save(update_fields=["name"])

    @admin.action(description=_("These are one person"), permissions=["change"])
    def join(self, request: HttpRequest, queryset: QuerySet[Owner]) -> HttpResponse | None:
        """First asks which entry stays, then moves what the others have to it."""
        owners = list(queryset.order_by("created_at"))
        if len(owners) < 2:
            self.message_user(request, gettext("Choose two or more entries of one person."), messages.WARNING)
            return None
        if "keep" not in request.POST:
            return self._question(request, owners)
        keep = next((owner for owner in owners if str(owner.id) == request.POST["keep"]), None)
        others = [owner for owner in owners if owner is not keep]
        try:
            moved = join_owners(keep=keep.id, others=[owner.id for owner in others]) if keep else None
        except Refused:
            moved = None
        if keep is None or moved is None:
            self.message_user(
                request, gettext("These entries cannot be joined: only people that were paired can be joined to another."), messages.ERROR
            )
            return None
        self.log_change(request, keep, f"joined: {', '.join(f'{person(owner)} ({owner.id})' for owner in others)}")
        self.message_user(request, gettext("Joined. %(count)d devices have moved to %(person)s.") % {"count": moved, "person": person(keep)})
        return None

    def _question(self, request: HttpRequest, owners: list[Owner]) -> HttpResponse:
        devices, conversations = _counts(Device, owners), _counts(Conversation, owners)
        rows = [(owner.id, person(owner), devices.get(owner.id, 0), conversations.get(owner.id, 0)) for owner in owners]
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("One person"),
            "opts": self.opts,
            "people": rows,
            "keep": next((owner.id for owner in owners if owner.kind == Owner.Kind.HOST), owners[0].id),
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/chat/owner/join.html", context)


def _counts(model: type[Device] | type[Conversation], owners: list[Owner]) -> dict[Any, int]:
    return dict(model.objects.filter(owner__in=owners).values_list("owner").annotate(Count("id")))
