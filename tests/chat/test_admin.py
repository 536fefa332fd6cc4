from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.test import Client as Browser
from django.urls import reverse

from chat import services
from chat.identity import Client
from chat.models import Conversation, Persona, validate_options
from tests.chat.test_services import finish


@pytest.fixture
def owner(admin_client: Browser) -> Browser:
    admin_client.defaults["HTTP_HOST"] = "localhost"
    return admin_client


@pytest.mark.parametrize("model", ["conversation", "message", "run", "device", "persona"])
def test_every_list_and_page_opens(owner: Browser, client: Client, model: str) -> None:
    finish(services.send(device=client.device, content="如何连接手机？"), "扫码。")
    Persona.objects.create(name="cat")
    page = owner.get(reverse(f"admin:chat_{model}_changelist"))
    assert page.status_code == 200
    row = page.context["cl"].result_list[0]
    assert owner.get(reverse(f"admin:chat_{model}_change", args=[row.pk])).status_code == 200


def test_what_happened_cannot_be_edited(owner: Browser, client: Client) -> None:
    new = services.send(device=client.device, content="one")
    for model, key in (("message", new.message), ("run", new.run)):
        assert owner.post(reverse(f"admin:chat_{model}_change", args=[key]), {}).status_code == 403
    response = owner.post(reverse("admin:chat_conversation_change", args=[new.conversation]), {"options": '{"temperature": 0.2}', "title": "forged"})
    assert response.status_code == 302
    conversation = Conversation.objects.get(id=new.conversation)
    assert (conversation.options, conversation.title) == ({"temperature": 0.2}, "one")


@pytest.mark.parametrize("options", [{"temperature": 9}, {"unknown": 1}, [], "x"])
def test_stored_options_keep_the_ranges_of_the_wire(options: object) -> None:
    validate_options({"temperature": 0.5, "preset": "precise"})
    with pytest.raises(ValidationError):
        validate_options(options)
