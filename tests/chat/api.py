"""Requests to /api/ as different people make them, without a server process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.asgi import get_asgi_application
from httpx2 import ASGITransport, AsyncClient, Response

from chat import services
from chat.models import Device
from chat.pairing import new_code, redeem
from inference.errors import NoModel
from tests.chat.test_services import finish

AWAY = "192.168.1.7:8000"
HOME = "127.0.0.1:8000"
"""Under this name, from this address, it is the computer's own browser."""


class StubRuntime:
    """What the API asks of the process that serves it."""

    address_name = "desk.local"

    def models(self, language: str = "en") -> list[dict[str, Any]]:
        about = {"progress": None, "remote": False, "context_window": 4096, "parameters": ["temperature"], "sampling": {"temperature": 0.7}}
        return [{"name": "fake", "default": True, "state": "ready", "thinking": True, "why": "", **about}]

    def model_name(self, asked: str) -> str:
        if asked.lower() not in ("", "fake", "qwen"):
            raise NoModel(name=asked, known="fake, qwen")
        return asked.lower()

    def phone_urls(self, port: int) -> list[str]:
        return [f"http://192.168.1.7:{port}"]


async def _application(scope: Any, receive: Any, send: Any) -> None:
    scope["state"] = {"runtime": StubRuntime()}
    await get_asgi_application()(scope, receive, send)


async def ask(
    method: str, path: str, *, token: str = "", host: str = AWAY, language: str = "en", headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """A request of whoever has `token`; `host=HOME` makes it the computer's own browser."""
    sent = {"accept-language": language} | ({"authorization": f"Bearer {token}"} if token else {}) | (headers or {})
    async with AsyncClient(transport=ASGITransport(_application), base_url=f"http://{host}", headers=sent) as client:
        return await client.request(method, f"/api/{path}", **more)


@dataclass(frozen=True)
class Person:
    """Somebody with a paired phone."""

    device: Device
    token: str


def pair(name: str = "phone") -> Person:
    return Person(*redeem(code=new_code().code, name=name))


def chat(person: Person, question: str = "why?", answer: str = "because", *, conversation: UUID | None = None) -> services.NewRun:
    """A question that was answered."""
    new = services.send(device=person.device, content=question, conversation=conversation)
    finish(new, answer)
    return new


def code_and_message(response: Response) -> tuple[int, str, str]:
    body = response.json()
    return response.status_code, body["code"], body["message"]
