"""`{% say "key" name=value %}` and `{{ when|ago }}`, in the reader's language."""

from __future__ import annotations

from datetime import datetime

from django import template

from chat import pair_words
from chat.models import Owner

register = template.Library()


@register.simple_tag
def say(key: str, **values: object) -> str:
    return pair_words.say(key, **values)


@register.filter
def ago(when: datetime | None) -> str:
    return pair_words.ago(when)


@register.filter
def person_name(owner: Owner) -> str:
    return pair_words.say("host_person") if owner.kind == Owner.Kind.HOST else owner.name or pair_words.say("nameless")
