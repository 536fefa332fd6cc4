"""Paired devices, and shutting one out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from chat import people, services
from chat.admin.filters import person
from chat.admin.lists import List
from chat.admin.transcript import moment
from chat.models import Device


class Welcome(admin.SimpleListFilter):
    title = _("access")
    parameter_name = "access"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", gettext("paired")), ("no", gettext("revoked"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(revoked_at__isnull=self.value() == "yes") if self.value() in ("yes", "no") else queryset


@admin.register(Device)
class DeviceAdmin(List):
    list_display = ("label", "whose", "access", "conversations", "seen", "made")
    list_select_related = ("owner",)
    list_filter = (Welcome,)
    search_fields = ("name", "owner__name")
    ordering = ("-created_at",)
    fields = ("name", "whose", "created_at", "last_seen_at", "access", "conversations")
    readonly_fields = ("whose", "created_at", "last_seen_at", "access", "conversations")
    actions = ("revoke",)

    def get_urls(self) -> list[URLPattern]:
        return [path("revoke/", self.admin_site.admin_view(self.revoke_page), name="chat_device_revoke"), *super().get_urls()]

    @admin.display(description=_("device"), ordering="name")
    def label(self, device: Device) -> str:
        return gettext(device.name) if device.name else str(device.id)[:8]

    @admin.display(description=_("person"), ordering="owner__name")
    def whose(self, device: Device) -> str:
        return person(device.owner)

    @admin.display(description=_("created"), ordering="created_at")
    def made(self, device: Device) -> str:
        return moment(device.created_at)[:-3]

    @admin.display(description=_("last seen"), ordering="last_seen_at")
    def seen(self, device: Device) -> str:
        return moment(device.last_seen_at)[:-3] or "–"

    @admin.display(description=_("access"), ordering="revoked_at")
    def access(self, device: Device) -> SafeString | str:
        if device.revoked_at:
            return gettext("revoked")
        if device.token_hash is None:
            return gettext("without pairing")
        address = reverse("admin:chat_device_revoke")
        return format_html('{} <a class="revoke" href="{}?id={}">{}</a>', gettext("paired"), address, device.id, gettext("Revoke…"))

    @admin.display(description=_("conversations"))
    def conversations(self, device: Device) -> SafeString:
        return format_html('<a href="{}?device={}">{}</a>', reverse("admin:chat_conversation_changelist"), device.id, gettext("Show"))

    @admin.action(description=_("Revoke the selected devices"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        return self._confirmation(request, queryset)

    def revoke_page(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST does it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        try:
            devices = Device.objects.filter(id__in=[UUID(text) for text in given.getlist("id")])
        except ValueError as error:
            raise Http404 from error
        if request.method != "POST":
            return self._confirmation(request, devices) or HttpResponseRedirect(reverse("admin:chat_device_changelist"))
        self._revoke(request, devices)
        return HttpResponseRedirect(reverse("admin:chat_device_changelist"))

    def _confirmation(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        devices = list(queryset.filter(revoked_at=None, token_hash__isnull=False).select_related("owner"))
        if not devices:
            self.message_user(request, gettext("None of these devices is paired."), messages.WARNING)
            return None
        rows = [(device.id, self.label(device), person(device.owner)) for device in devices]
        context = {**self.admin_site.each_context(request), "title": gettext("Revoke access"), "devices": rows, "opts": self.opts}
        return TemplateResponse(request, "admin/chat/device/revoke.html", context)

    def _revoke(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        done = 0
        for device in devices:
            try:
                people.revoke_device(device=device.id)
            except services.Refused:  # revoked meanwhile
                continue
            self.log_change(request, device, "revoked")
            done += 1
        self.message_user(request, ngettext("%(count)d device was shut out.", "%(count)d devices were shut out.", done) % {"count": done})

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"show_save_and_continue": False, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        obj.save(update_fields=["name"])
