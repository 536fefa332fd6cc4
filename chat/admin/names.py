"""What the admin calls models, fields and choices, in both languages. Kept here and not in the models: names are the pages' business, and a
change of one is no migration."""

from __future__ import annotations

from django.apps import apps
from django.utils.translation import gettext_lazy as _

MODELS = {
    "conversation": (_("conversation"), _("conversations")),
    "message": (_("message"), _("messages")),
    "run": (_("run"), _("runs")),
    "feedback": (_("rating"), _("ratings")),
    "owner": (_("person"), _("people")),
    "device": (_("device"), _("devices")),
    "apikey": (_("key for programs"), _("keys for programs")),
    "persona": (_("persona"), _("personas")),
}
FIELDS = {
    "title": _("title"),
    "owner": _("person"),
    "persona": _("persona"),
    "model": _("model"),
    "options": _("options"),
    "created_at": _("created"),
    "updated_at": _("updated"),
    "pinned_at": _("pinned"),
    "deleted_at": _("deleted by its person"),
    "last_seen_at": _("last seen"),
    "revoked_at": _("revoked"),
    "started_at": _("started"),
    "ended_at": _("ended"),
    "name": _("name"),
    "kind": _("kind"),
    "description": _("description"),
    "system_prompt": _("system prompt"),
    "device": _("device"),
    "message": _("message"),
    "rating": _("rating"),
    "comment": _("comment"),
    "status": _("state"),
    "finish_reason": _("finish reason"),
    "prompt_tokens": _("prompt tokens"),
    "completion_tokens": _("completion tokens"),
    "context_limit": _("context limit"),
    "dropped_messages": _("messages dropped"),
    "template_hash": _("template hash"),
    "sampling": _("sampling"),
    "seed": _("seed"),
    "queue_s": _("queue wait"),
    "first_token_s": _("first token"),
    "total_s": _("total"),
    "tokens_per_second": _("tokens/s"),
    "error": _("error"),
    "error_code": _("error code"),
}
KINDS = {"host": _("this computer"), "person": _("a person"), "open": _("everybody (--open)")}
REASONS = {
    "stop": _("complete"),
    "length": _("cut: longest length"),
    "stopped": _("stopped by its person"),
    "interrupted": _("interrupted"),
    "error": _("error"),
}
STATES = {"queued": _("queued"), "running": _("running"), "done": _("done")}
RATINGS = {1: _("up"), -1: _("down")}


def give() -> None:
    """Give the models and fields their names."""
    config = apps.get_app_config("chat")
    config.verbose_name = _("Chat")
    for name, (one, many) in MODELS.items():
        meta = config.get_model(name)._meta
        meta.verbose_name, meta.verbose_name_plural = one, many
        for field in meta.local_fields:
            if field.name in FIELDS:
                field.verbose_name = FIELDS[field.name]


def ending(status: str, finish_reason: str) -> str:
    """How a run ended, or where it is."""
    return str(REASONS.get(finish_reason) or STATES.get(status, status))
