"""Every run, with its audit and the whole prompt."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.filters import CreatedBetween, RunModel, RunReason
from chat.admin.lists import Record, number, seconds
from chat.admin.names import ending
from chat.admin.transcript import brief_rows, more_rows
from chat.models import Run

HEAVY = ("prompt", "frames", "sampling", "options")


@admin.register(Run)
class RunAdmin(Record):
    list_display = ("created_at", "model_name", "ended", "prompt_tokens", "completion_tokens", "wait", "first", "speed", "total", "transcript")
    list_display_links = ("created_at",)
    list_filter = (CreatedBetween, RunModel, RunReason)
    ordering = ("-created_at",)
    fields = ("transcript", "audit", "prompt_text")

    class Media:
        css = {"all": ("chat/admin/lists.css", "chat/admin/transcript.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        runs = super().get_queryset(request).select_related("message", "device__owner").defer("message__content", "message__thinking")
        return runs if request.resolver_match and request.resolver_match.kwargs else runs.defer(*HEAVY, "message__content", "message__thinking")

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().change_view(request, object_id, form_url, {"subtitle": None, **(extra_context or {})})

    @admin.display(description=_("model"), ordering="model")
    def model_name(self, run: Run) -> str:
        return run.model or "–"

    @admin.display(description=_("finish reason"), ordering="finish_reason")
    def ended(self, run: Run) -> str:
        return ending(run.status, run.finish_reason)

    @admin.display(description=_("queue wait"))
    def wait(self, run: Run) -> str:
        return seconds(run.queue_s)

    @admin.display(description=_("first token"))
    def first(self, run: Run) -> str:
        return seconds(run.first_token_s)

    @admin.display(description=_("tokens/s"))
    def speed(self, run: Run) -> str:
        return number(run.tokens_per_second)

    @admin.display(description=_("total"))
    def total(self, run: Run) -> str:
        return seconds(run.total_s)

    @admin.display(description=_("conversation"))
    def transcript(self, run: Run) -> SafeString | str:
        if run.message is None:
            return gettext("a program's call, not stored")
        address = reverse("admin:chat_conversation_change", args=[run.message.conversation_id])
        return format_html('<a href="{}?message={}#m-{}">{}</a>', address, run.message_id, run.message_id, gettext("Transcript"))

    @admin.display(description=_("audit"))
    def audit(self, run: Run) -> SafeString:
        rows = [*brief_rows(run), *more_rows(run), (gettext("error"), run.error or "–"), (gettext("run"), str(run.id))]
        return format_html('<dl class="audit">{}</dl>', format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", rows))

    @admin.display(description=_("prompt, exactly as the model got it"))
    def prompt_text(self, run: Run) -> SafeString | str:
        if run.message is None:
            return gettext("Not stored: the call did not ask for it.")
        return format_html('<pre class="prompt">{}</pre>', run.prompt)
