"""Keys for programs that speak OpenAI's protocol: made here or in /pair/, shown once, revoked like devices."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from chat import keys, services
from chat.admin.devices import Revocable
from chat.admin.filters import person
from chat.models import ApiKey, Device, Owner
from chat.people import NAME_CHARS
from chat.sentences import sentence


class _Whose(forms.ModelChoiceField):
    def label_from_instance(self, owner: Owner) -> str:  # type: ignore[override]
        return person(owner)


class KeyForm(forms.Form):
    name = forms.CharField(label=_("What it is for"), max_length=NAME_CHARS)
    owner = _Whose(Owner.objects.exclude(kind=Owner.Kind.OPEN).order_by("kind", "created_at"), label=_("person"))

    def make(self) -> tuple[Device, str]:
        """Raises Refused."""
        return keys.new_key(owner=self.cleaned_data["owner"], name=self.cleaned_data["name"])


@admin.register(ApiKey)
class ApiKeyAdmin(Revocable):
    kind = Device.Kind.KEY
    welcome = _("works")
    none_welcome = _("None of these keys works.")
    what_happens = _("These keys are worth nothing from then on, and what they have under way ends. To go on, a new key has to be made.")
    list_display = ("label", "whose", "access", "seen", "made")
    fields = ("name", "whose", "created_at", "last_seen_at", "access")
    readonly_fields = ("whose", "created_at", "last_seen_at", "access")

    @admin.display(description=_("key for programs"), ordering="name")
    def label(self, device: Device) -> str:
        return device.name

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The answer is the only page that ever shows the key."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = KeyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                made, plain = form.make()
            except services.Refused as refused:
                form.add_error("name", sentence(refused.code, get_language() or "en", **refused.params))
            else:
                self.log_addition(request, made, "made")
                return self._page(request, "key_made", gettext("The key %(name)s") % {"name": made.name}, key=plain)
        return self._page(request, "add_key", gettext("New key"), form=form)

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        context |= {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "address": f"{request.scheme}://{request.get_host()}/v1",
        }
        return TemplateResponse(request, f"admin/chat/apikey/{template}.html", context)
