"""What holds for every request to /v1/: who calls, how often, and what becomes of an exception."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from chat import limits
from chat.api.auth import refuse_foreign_pages
from chat.api.body import MAX_BODY_BYTES, parse
from chat.calls import Answering, Asked, Calling, alone
from chat.database import in_database
from chat.identity import Client, caller_of, identify_key
from chat.v1.refusals import refusal_of, refused

View = Callable[..., Awaitable[HttpResponseBase]]


def guarded(method: str) -> Callable[[View], View]:
    """A view that takes the client behind `request`; whatever it raises becomes an answer that OpenAI's clients understand.

    No cookie counts here, so Django's token against forged forms is not asked for. What a page elsewhere may send without a key, which is something
    only with --open, is refused by its Origin.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        async def guard(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                if request.method != method:
                    raise refused(405, "method_not_allowed", "method_not_allowed", method=request.method or "")
                refuse_foreign_pages(request)
                client = await _client(request)
                spend(client, requests=1)
                return await view(request, client, *args, **kwargs)
            except Exception as error:
                response = refusal_of(error).response()
                if response.status_code == 405:
                    response["Allow"] = method
                return response

        return never_cache(csrf_exempt(guard))

    return wrap


async def _client(request: HttpRequest) -> Client:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    key = credentials.strip() if scheme.lower() == "bearer" else ""
    address = caller_of(request.scope).address  # type: ignore[attr-defined]
    is_open = settings.CONFIG.open and request.page_origin == "own"  # type: ignore[attr-defined]
    client = await alone(in_database(identify_key, key, address, open_to_all=is_open))
    if client is None:
        raise refused(401, "invalid_api_key", "wrong_api_key" if key else "no_api_key")
    return client


def spend(client: Client, **costs: float) -> None:
    """Take something of what the key may do in a time (chat/limits.py). Raises Exceeded."""
    limits.shared().take(key_of(client), **costs)


def begin(calls: Calling, asked: Asked, client: Client) -> Answering:
    """A call, if the key has not too many under way. Raises Exceeded, and what Calls.begin does."""
    if asked.store:
        spend(client, characters=sum(len(message.content) for message in asked.messages))
    with under_way(client, calls.live) as begun:
        call = calls.begin(asked, client)
        begun(call.id)
        return call


def under_way(client: Client, alive: Container[UUID], kind: str = "") -> AbstractContextManager[Callable[[UUID], None]]:
    """limits.Limiter.answer for a key, for calls of one kind. Raises Exceeded."""
    return limits.shared().answer(key_of(client) + kind, alive)


def json_of(request: HttpRequest) -> Any:
    """Raises ApiError."""
    return parse(request, request.body, MAX_BODY_BYTES)


def key_of(client: Client) -> str:
    """Under which the limits know a key. With --open an address chats, too: that is counted apart."""
    return f"v1 {limits.key_of(client.fair)}"
