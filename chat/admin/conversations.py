"""The list of all conversations, and the transcript of each."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from chat import keeping
from chat.admin.export import download
from chat.admin.filters import Between, ByDevice, ByModel, ByRating, ByReason, Deleted, Person, person
from chat.admin.forms import SAMPLING_FIELDS, ConversationForm
from chat.admin.lists import List, Rows
from chat.admin.names import RATINGS, ending
from chat.admin.overview import Overview, overviews
from chat.admin.transcript import moment, transcript
from chat.changes import mark_and_tell, writing
from chat.models import Conversation, Feedback, Message, Run
from chat.search import matching


class Conversations(Rows):
    """A page of the list, with what `overviews` finds for its rows."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        found = overviews((row.id for row in self.result_list), self.query)
        preserved = self.model_admin.get_preserved_filters(request)
        for row in self.result_list:
            row.overview = found[row.id]
            url = reverse("admin:chat_conversation_change", args=[row.id])
            row.url = add_preserved_filters({"preserved_filters": preserved, "opts": self.opts}, url)


@admin.register(Conversation)
class ConversationAdmin(List):
    """The record is read-only; the persona and the sampling of what comes next are the owner's to set."""

    form = ConversationForm
    list_display = ("what", "who", "rating", "ended", "updated")
    list_display_links = None
    list_filter = (Between, Person, ByDevice, ByModel, ByRating, ByReason, Deleted)
    list_select_related = ("owner",)
    ordering = ("-updated_at",)
    search_fields = ("title",)
    search_help_text = _("Searches the text of all messages, and titles. Words match from their beginning; Chinese is found anywhere.")
    actions = ("export",)
    change_form_template = "admin/chat/conversation/change_form.html"

    class Media:
        css = {"all": ("chat/admin/lists.css", "chat/admin/transcript.css")}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Conversations

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if not search_term:
            return queryset, False
        found = matching(search_term).order_by().values("conversation")
        return queryset.filter(Q(id__in=found) | Q(title__icontains=search_term)), False

    # --- columns ---

    @admin.display(description=_("conversation"))
    def what(self, row: Conversation) -> SafeString:
        overview: Overview = row.overview
        title = row.title or gettext("(no title)")
        gone = format_html(' <span class="gone">{}</span>', gettext("deleted")) if row.deleted_at else ""
        count = ngettext("%(count)d message", "%(count)d messages", overview.messages) % {"count": overview.messages}
        about = " · ".join([count, *overview.models])
        return format_html('<a href="{}">{}</a>{}<span class="quiet">{}</span>{}', row.url, title, gone, about, _snippet(row, overview))

    @admin.display(description=_("person"), ordering="owner__name")
    def who(self, row: Conversation) -> SafeString:
        whose = person(row.owner)
        devices = ", ".join(name for name in (gettext(name) if name else "" for name in row.overview.devices) if name not in ("", whose))
        return format_html('{}<span class="quiet">{}</span>', whose, devices)

    @admin.display(description=_("rating"))
    def rating(self, row: Conversation) -> str:
        return str(RATINGS.get(row.overview.rating, "–"))

    @admin.display(description=_("last answer"))
    def ended(self, row: Conversation) -> str:
        return ending(row.overview.status, row.overview.finish_reason) or "–"

    @admin.display(description=_("updated"), ordering="updated_at")
    def updated(self, row: Conversation) -> str:
        return moment(row.updated_at)[:-3]

    # --- the page of one ---

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("persona", *SAMPLING_FIELDS) if self.has_change_permission(request, obj) else ("persona", "options")

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        conversation = self.get_object(request, object_id)
        shown: dict[str, Any] = {}
        if conversation is not None and self.has_view_permission(request, conversation):
            page = request.GET.get("page", "")
            shown["transcript"] = transcript(conversation, _uuid(request.GET.get("message", "")), int(page) if page.isdecimal() else None)
            shown["title"] = conversation.title or gettext("(no title)")
            shown["subtitle"] = None
            shown["whose"] = person(conversation.owner)
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Conversation, form: ModelForm, change: bool) -> None:
        # Not the whole row: an answer may have moved the leaf since the form was shown.
        with writing(obj.owner_id):
            obj.save(update_fields=["persona", "options"])
            mark_and_tell(obj.owner_id, obj.id)

    def get_urls(self) -> list[URLPattern]:
        return [path("<uuid:pk>/export/", self.admin_site.admin_view(self.export_one), name="chat_conversation_export"), *super().get_urls()]

    def export_one(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return download(Conversation.objects.filter(id=pk))

    @admin.action(description=_("Export the selected conversations (JSONL)"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> HttpResponseBase:
        return download(queryset)

    # --- removing ---

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        keeping.remove_conversations(conversations=[obj.id])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        keeping.remove_conversations(conversations=list(queryset.values_list("id", flat=True)))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[str], Counter[str], set[str], list[str]]:
        """In numbers: Django's own list has a line for every message and every run. While an answer runs, its conversation stays."""
        conversations = list(objs)
        ids = [conversation.id for conversation in conversations]
        counts: Counter[str] = Counter({gettext("conversations"): len(ids)})
        counts[gettext("messages")] = Message.objects.filter(conversation__in=ids).count()
        counts[gettext("runs")] = Run.objects.filter(message__conversation__in=ids).count()
        counts[gettext("ratings")] = Feedback.objects.filter(message__conversation__in=ids).count()
        running = set(
            Run.objects.exclude(status=Run.Status.DONE).filter(message__conversation__in=ids).values_list("message__conversation", flat=True)
        )
        return [_counted(c) for c in conversations], counts, set(), [str(c) for c in conversations if c.id in running]


def _snippet(row: Conversation, overview: Overview) -> SafeString | str:
    if overview.hit is None:
        return ""
    marked = format_html_join(
        "", "{}", ((format_html("<mark>{}</mark>", part["text"]) if part["hit"] else part["text"],) for part in overview.snippet)
    )
    address = reverse("admin:chat_conversation_change", args=[row.id])
    return format_html('<a class="hit" href="{}?message={}#m-{}">{}</a>', address, overview.hit, overview.hit, marked)


def _counted(conversation: Conversation) -> str:
    count = conversation.messages.count()
    return f"{conversation}: " + ngettext("%(count)d message", "%(count)d messages", count) % {"count": count}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
