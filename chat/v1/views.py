"""/v1/: the part of OpenAI's HTTP protocol that other tools use to chat. docs/openai-api.md says what is supported and what is refused."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import path, re_path

from chat.api.auth import runtime_of
from chat.calls import Answering, Done
from chat.identity import Client
from chat.v1.answers import Answer, ChatShape, Shape, TextShape, event, json_answer
from chat.v1.asked import Request, chat_request, text_request
from chat.v1.embeddings import embeddings
from chat.v1.guard import begin, guarded, json_of
from chat.v1.refusals import refusal_of, refused
from inference.errors import NoModel
from inference.types import Channel, Delta

OWNER = "llmsite"


@guarded("POST")
async def chat_completions(request: HttpRequest, client: Client) -> HttpResponseBase:
    return await _answer(request, client, chat_request, ChatShape())


@guarded("POST")
async def completions(request: HttpRequest, client: Client) -> HttpResponseBase:
    return await _answer(request, client, text_request, TextShape())


@guarded("GET")
async def models(request: HttpRequest, client: Client) -> HttpResponse:
    return json_answer({"object": "list", "data": await _models(request)})


@guarded("GET")
async def model(request: HttpRequest, client: Client, name: str) -> HttpResponse:
    found = await _models(request)
    one = next((entry for entry in found if entry["id"] == name), None)
    if one is None:
        raise NoModel(name=name[:200], known=", ".join(entry["id"] for entry in found))
    return json_answer(one)


@guarded("GET")
async def nothing(request: HttpRequest, client: Client) -> HttpResponse:
    raise refused(404, "not_found", "not_found")


async def _models(request: HttpRequest) -> list[dict[str, Any]]:
    runtime = runtime_of(request)
    names = [entry["name"] for entry in await asyncio.to_thread(runtime.models)] + runtime.embeddings.names()
    return [{"id": name, "object": "model", "created": runtime.began_at, "owned_by": OWNER} for name in names]


async def _answer(request: HttpRequest, client: Client, read: Callable[[Any], Request], shape: Shape) -> HttpResponseBase:
    """The status is decided by the first piece: until then whatever goes wrong has a status of its own, and the client may try again."""
    asked = read(json_of(request))
    call = begin(runtime_of(request).calls, asked.asked, client)
    try:
        events = call.events()
        if not asked.stream:
            return json_answer(await _whole(events, shape, call))
        first = await anext(events)
    except BaseException:  # a client that hangs up cancels this
        call.hang_up()
        raise
    response = StreamingHttpResponse(_pieces(call, first, events, asked, shape), content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx would keep pieces back
    # One that hung up before Django began to send leaves nothing behind but this response.
    weakref.finalize(response, call.hang_up)
    return response


async def _whole(events: AsyncIterator[Delta | Done], shape: Shape, call: Answering) -> dict[str, Any]:
    texts: dict[Channel, list[str]] = {"thinking": [], "answer": []}
    async for found in events:
        if isinstance(found, Done):
            return Answer(shape, call).whole({channel: "".join(parts) for channel, parts in texts.items()}, found)
        texts[found.channel].append(found.text)
    raise RuntimeError("the call ended without saying so")


async def _pieces(call: Answering, first: Delta | Done, events: AsyncIterator[Delta | Done], asked: Request, shape: Shape) -> AsyncIterator[bytes]:
    """Server-sent events: the answer's pieces, how it ended, on request the usage, [DONE]. An error is an event, too: the status is sent already."""
    answer = Answer(shape, call)
    try:
        if opening := shape.first():
            yield event(answer.piece(opening))
        found: Delta | Done = first
        while not isinstance(found, Done):
            yield event(answer.piece(shape.piece(found)))
            found = await anext(events)
        yield event(answer.piece(shape.last(), finish_reason=found.reason))
        if asked.include_usage:
            yield event(answer.count(found))
        yield event("[DONE]")
    except Exception as error:
        yield event(refusal_of(error).body())
    finally:
        call.hang_up()


urlpatterns = [
    path("v1/chat/completions", chat_completions),
    path("v1/completions", completions),
    path("v1/embeddings", embeddings),
    path("v1/models", models),
    path("v1/models/<path:name>", model),
    re_path(r"^v1(?:/|$)", nothing),
]
