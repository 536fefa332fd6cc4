"""Who looks, and what there is to see."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client as Browser

from chat import keeping, services
from chat.identity import Client
from chat.models import Persona
from tests.chat.test_services import finish


@pytest.fixture
def owner(admin_client: Browser) -> Browser:
    """The owner's browser."""
    admin_client.defaults["HTTP_HOST"] = "localhost"
    return admin_client


@pytest.fixture
def answered(client: Client) -> services.NewRun:
    """A rated answer; and a persona, so that no list is empty."""
    Persona.objects.create(name="library", system_prompt="You are a librarian.", options={"temperature": 0.3})
    new = services.send(device=client.device, content="如何连接手机？")
    finish(new, "扫码。")
    keeping.rate(device=client.device, message=new.message, rating=-1, comment="太短")
    return new


@pytest.fixture
def guest(transactional_db: None) -> Browser:
    """Staff that may look at everything and change nothing."""
    user = User.objects.create_user("guest", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    browser = Browser(HTTP_HOST="localhost")
    browser.force_login(user)
    return browser
