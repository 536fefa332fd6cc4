"""Every page of the admin opens, in both languages; what was recorded cannot be edited."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.test import Client as Browser
from django.urls import reverse

from chat import services
from chat.models import Conversation, Persona, validate_options

LISTS = ["conversation", "run", "feedback", "owner", "device", "persona"]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("model", LISTS)
def test_every_list_and_page_opens(owner: Browser, answered: services.NewRun, model: str, language: str) -> None:
    page = owner.get(reverse(f"admin:chat_{model}_changelist"), headers={"Accept-Language": language})
    assert page.status_code == 200
    row = page.context["cl"].result_list[0]
    assert owner.get(reverse(f"admin:chat_{model}_change", args=[row.pk]), headers={"Accept-Language": language}).status_code == 200


@pytest.mark.parametrize("model", LISTS)
def test_who_may_only_look_sees_every_page(guest: Browser, answered: services.NewRun, model: str) -> None:
    page = guest.get(reverse(f"admin:chat_{model}_changelist"))
    row = page.context["cl"].result_list[0]
    assert guest.get(reverse(f"admin:chat_{model}_change", args=[row.pk])).status_code == 200
    assert guest.post(reverse(f"admin:chat_{model}_change", args=[row.pk]), {"name": "x"}).status_code == 403
    assert guest.post(reverse(f"admin:chat_{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_the_index_shows_the_lists_and_the_statistics(owner: Browser, answered: services.NewRun) -> None:
    page = owner.get(reverse("admin:index"))
    assert page.context["site_header"] == "llmsite"
    names = [model["object_name"] for model in page.context["app_list"][0]["models"]]
    assert {"Conversation", "Run", "Feedback", "Owner", "Device", "ApiKey", "Persona", "Statistics"} == set(names)
    assert f'href="{reverse("admin:statistics")}"' in page.content.decode()


def test_what_happened_cannot_be_edited(owner: Browser, answered: services.NewRun) -> None:
    for model, key in (("run", answered.run), ("conversation", answered.conversation)):
        page = owner.get(reverse(f"admin:chat_{model}_change", args=[key]))
        fields = page.context["adminform"].form.fields
        assert not {"prompt", "title", "owner", "leaf", "content"} & set(fields)
    assert owner.post(reverse("admin:chat_run_change", args=[answered.run]), {}).status_code == 403
    for model in LISTS:
        assert owner.get(reverse(f"admin:chat_{model}_add")).status_code == (200 if model == "persona" else 403)


def test_persona_and_sampling_of_what_comes_next_can_be_set(owner: Browser, answered: services.NewRun) -> None:
    persona = Persona.objects.create(name="cat")
    address = reverse("admin:chat_conversation_change", args=[answered.conversation])
    response = owner.post(address, {"persona": persona.id, "temperature": "0.2", "thinking": "no", "title": "forged"})
    assert response.status_code == 302
    conversation = Conversation.objects.get(id=answered.conversation)
    assert (conversation.persona, conversation.options) == (persona, {"temperature": 0.2, "thinking": False})
    assert conversation.title == "如何连接手机？"


@pytest.mark.parametrize("options", [{"temperature": 9}, {"unknown": 1}, [], "x"])
def test_stored_options_keep_the_ranges_of_the_wire(options: object) -> None:
    validate_options({"temperature": 0.5, "preset": "precise"})
    with pytest.raises(ValidationError):
        validate_options(options)
