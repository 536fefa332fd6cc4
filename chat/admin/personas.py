"""Personas: the one thing here that the owner writes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat import personas
from chat.admin.forms import SAMPLING_FIELDS, PersonaForm
from chat.admin.lists import short
from chat.models import Persona


@admin.register(Persona)
class PersonaAdmin(admin.ModelAdmin):
    form = PersonaForm
    list_display = ("name", "description", "prompt")
    search_fields = ("name", "description")
    fieldsets = (
        (None, {"fields": ("name", "description", "system_prompt")}),
        (_("Sampling"), {"fields": SAMPLING_FIELDS, "description": _("Empty fields are left to the conversation's settings and the model.")}),
    )

    class Media:
        css = {"all": ("chat/admin/lists.css",)}

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Who may only look sees the options as they are stored: a form's own fields cannot be shown without the form."""
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": ("name", "description", "system_prompt", "options")})]
        return super().get_fieldsets(request, obj)

    def delete_model(self, request: HttpRequest, obj: Persona) -> None:
        personas.delete_persona(persona=obj.id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Persona]) -> None:
        for persona in queryset:
            personas.delete_persona(persona=persona.id)

    @admin.display(description=_("system prompt"))
    def prompt(self, persona: Persona) -> str:
        return short(persona.system_prompt)
