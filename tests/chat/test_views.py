"""`/`: who may see it, in which language, with which data."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from httpx2 import ASGITransport, AsyncClient, Response

from chat import services
from chat.identity import COOKIE, Client, caller_of, identify
from chat.models import Conversation
from chat.pairing import new_code, redeem
from tests.chat.test_services import finish

AWAY = "192.168.1.7:8000"


async def get(path: str = "/", *, host: str = "127.0.0.1:8000", language: str = "en", token: str = "") -> Response:
    """As a browser asks, under the name `host`."""
    headers = {"accept-language": language} | ({"cookie": f"{COOKIE}={token}"} if token else {})
    async with AsyncClient(transport=ASGITransport(get_asgi_application()), base_url=f"http://{host}", headers=headers) as browser:
        return await browser.get(path)


def embedded(response: Response) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', response.text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def host() -> Client:
    """The computer's own browser."""
    caller = caller_of({"client": ("127.0.0.1", 1), "headers": [(b"host", b"127.0.0.1")]})
    client = identify(caller, open_to_all=False)
    assert client is not None
    return client


@pytest.fixture
def conversation(transactional_db: None) -> Conversation:
    new = services.send(device=host().device, content="why </script><b>?")
    finish(new, "because")
    return Conversation.objects.get(id=new.conversation)


async def test_the_page_carries_its_data(conversation: Conversation) -> None:
    response = await get(f"/?c={conversation.id}")
    data = embedded(response)
    assert [message["content"] for message in data["conversation"]["messages"]] == ["why </script><b>?", "because"]
    assert [one["id"] for one in data["conversations"]["items"]] == [str(conversation.id)]
    assert "why </script>" not in response.text


async def test_no_cache_keeps_it(conversation: Conversation) -> None:
    response = await get(f"/?c={conversation.id}")
    assert "no-store" in response.headers["Cache-Control"]
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in response.headers["Vary"].split(",")}


@pytest.mark.parametrize("query", ["", "?c=", "?c=nonsense", "?c=00000000-0000-4000-8000-000000000000"])
async def test_without_a_conversation_it_begins_a_new_one(transactional_db: None, query: str) -> None:
    assert embedded(await get(f"/{query}"))["conversation"] is None


async def test_a_stranger_is_sent_to_pair(conversation: Conversation) -> None:
    page = await get(f"/?c={conversation.id}", host=AWAY)
    assert (page.status_code, page.headers["Location"]) == (302, "/pair/")
    assert "because" not in page.text


async def test_another_owners_conversation_is_none(conversation: Conversation) -> None:
    def pair() -> str:
        return redeem(code=new_code().code, name="phone")[1]

    token = await sync_to_async(pair)()
    data = embedded(await get(f"/?c={conversation.id}", host=AWAY, token=token))
    assert data["conversation"] is None
    assert data["conversations"] == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("accepted", "language", "socket"),
    [("zh-CN,zh;q=0.9", "zh-Hans", "zh-hans"), ("zh-TW", "zh-Hans", "zh-hans"), ("de, en;q=0.5", "en", "en"), ("", "en", "en")],
)
async def test_the_language_of_the_browser(transactional_db: None, accepted: str, language: str, socket: str) -> None:
    response = await get(language=accepted)
    assert f'<html lang="{language}">' in response.text
    assert embedded(response)["lang"] == socket


async def test_nothing_inline_and_nothing_from_elsewhere(conversation: Conversation) -> None:
    response = await get(f"/?c={conversation.id}")
    text = response.text
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! id=\"data\" type=\"application/json\"| type=\"module\" src=\"/static/)", text)
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
