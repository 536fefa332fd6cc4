"""What people think of the answers."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Substr
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.filters import Between, device_label
from chat.admin.lists import Record, short
from chat.admin.names import RATINGS
from chat.models import Feedback


class Rating(admin.SimpleListFilter):
    title = _("rating")
    parameter_name = "rating"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("1", gettext("up")), ("-1", gettext("down"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(rating=self.value()) if self.value() in ("1", "-1") else queryset


@admin.register(Feedback)
class FeedbackAdmin(Record):
    list_display = ("updated_at", "thumb", "comment", "answer", "whose")
    list_filter = (Between, Rating)
    search_fields = ("comment",)
    ordering = ("-updated_at",)
    fields = ("thumb", "comment", "answer", "whose", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        rows = super().get_queryset(request).select_related("device__owner", "message")
        return rows.defer("message__content", "message__thinking").annotate(beginning=Substr("message__content", 1, 200))

    @admin.display(description=_("rating"), ordering="rating")
    def thumb(self, feedback: Feedback) -> str:
        return str(RATINGS[feedback.rating])

    @admin.display(description=_("answer"))
    def answer(self, feedback: Feedback) -> SafeString:
        address = reverse("admin:chat_conversation_change", args=[feedback.message.conversation_id])
        text = short(feedback.beginning) or gettext("(no text)")
        return format_html('<a href="{}?message={}#m-{}">{}</a>', address, feedback.message_id, feedback.message_id, text)

    @admin.display(description=_("device"))
    def whose(self, feedback: Feedback) -> str:
        return device_label(feedback.device) if feedback.device else "–"
