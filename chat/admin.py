"""The owner's review. Records are read-only; the transcript view and statistics come with the full admin."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from chat.models import Conversation, Device, Message, Persona, Run


class Record(admin.ModelAdmin):
    """What happened cannot be edited afterwards."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Conversation)
class ConversationAdmin(admin.ModelAdmin):
    """The record is read-only; the persona and the sampling of what comes next are the owner's to set."""

    list_display = ("title", "owner", "updated_at")
    fields = ("title", "owner", "persona", "options", "created_at", "updated_at")
    readonly_fields = ("title", "owner", "created_at", "updated_at")
    list_filter = ("owner", "updated_at")
    search_fields = ("title", "messages__content")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Message)
class MessageAdmin(Record):
    list_display = ("created_at", "role", "content_start", "conversation")
    list_filter = ("role", "created_at")
    search_fields = ("content",)
    list_select_related = ("conversation",)

    @admin.display(description="content")
    def content_start(self, message: Message) -> str:
        return message.content[:80]


@admin.register(Run)
class RunAdmin(Record):
    list_display = ("created_at", "model", "finish_reason", "prompt_tokens", "completion_tokens", "first_token_s", "tokens_per_second")
    list_filter = ("model", "finish_reason", "created_at")


@admin.register(Device)
class DeviceAdmin(admin.ModelAdmin):
    list_display = ("name", "owner", "created_at", "revoked_at")
    fields = ("name", "owner", "revoked_at")


@admin.register(Persona)
class PersonaAdmin(admin.ModelAdmin):
    list_display = ("name", "system_prompt")
