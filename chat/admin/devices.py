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
        return [("yes", str(model_admin.welcome)), ("no", gettext("revoked"))]  # type: ignore[attr-defined]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(revoked_at__isnull=self.value() == "yes") if self.value() in ("yes", "no") else queryset


class Revocable(List):
    """What opens the server to somebody: devices, and keys (keys.py)."""

    kind: str
    welcome: Any
    """What one is that is not revoked."""
    none_welcome: Any
    what_happens: Any
    list_select_related = ("owner",)
    list_filter = (Welcome,)
    search_fields = ("name", "owner__name")
    ordering = ("-created_at",)
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        return super().get_queryset(request).filter(kind=self.kind)

    def get_urls(self) -> list[URLPattern]:
        name = f"chat_{self.opts.model_name}_revoke"
        return [path("revoke/", self.admin_site.admin_view(self.revoke_page), name=name), *super().get_urls()]

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
        address = reverse(f"admin:chat_{self.opts.model_name}_revoke")
        return format_html('{} <a class="revoke" href="{}?id={}">{}</a>', self.welcome, address, device.id, gettext("Revoke…"))

    @admin.action(description=_("Revoke what is selected"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        return self._confirmation(request, queryset)

    def revoke_page(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST does it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        try:
            devices = Device.objects.filter(kind=self.kind, id__in=[UUID(text) for text in given.getlist("id")])
        except ValueError as error:
            raise Http404 from error
        if request.method != "POST":
            return self._confirmation(request, devices) or HttpResponseRedirect(self._list())
        self._revoke(request, devices)
        return HttpResponseRedirect(self._list())

    def _list(self) -> str:
        return reverse(f"admin:chat_{self.opts.model_name}_changelist")

    def _confirmation(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        devices = list(queryset.filter(revoked_at=None, token_hash__isnull=False).select_related("owner"))
        if not devices:
            self.message_user(request, self.none_welcome, messages.WARNING)
            return None
        rows = [(device.id, self.label(device), person(device.owner)) for device in devices]
        context = {**self.admin_site.each_context(request), "title": gettext("Revoke access"), "devices": rows, "opts": self.opts}
        context |= {"what_happens": self.what_happens, "action": reverse(f"admin:chat_{self.opts.model_name}_revoke")}
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
        self.message_user(request, ngettext("%(count)d was revoked.", "%(count)d were revoked.", done) % {"count": done})

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"show_save_and_continue": False, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        obj.save(update_fields=["name"])


@admin.register(Device)
class DeviceAdmin(Revocable):
    kind = Device.Kind.DEVICE
    welcome = _("paired")
    none_welcome = _("None of these devices is paired.")
    what_happens = _(
        "These devices are shut out at once, on connections that are open too. To come back, a device has to be paired again. What was said stays."
    )
    list_display = ("label", "whose", "access", "conversations", "seen", "made")
    fields = ("name", "whose", "created_at", "last_seen_at", "access", "conversations")
    readonly_fields = ("whose", "created_at", "last_seen_at", "access", "conversations")

    @admin.display(description=_("conversations"))
    def conversations(self, device: Device) -> SafeString:
        return format_html('<a href="{}?device={}">{}</a>', reverse("admin:chat_conversation_changelist"), device.id, gettext("Show"))
