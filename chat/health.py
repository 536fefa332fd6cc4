"""`/healthz`: 200 only when the default model answers, or would as soon as it is asked: it may have made room for another one."""

from __future__ import annotations

import asyncio

from django.http import HttpRequest, JsonResponse
from django.utils.translation import get_language

from chat.identity import caller_of
from chat.protocol import VERSION
from inference.errors import EngineError, NotReady

CHECK_S = 5.0


async def healthz(request: HttpRequest) -> JsonResponse:
    """`computer` is the same as long as the data folder is, `instance` tells this server process from any other; `protocol` is what ws/chat/
    speaks; `name` is its .local name or ""; `progress` is there while it loads. With `?who` the model is not asked and the status is 200:
    it only says who answers, at once. The computer's own programs, and nobody else, are told how the servers behind the models are (`backends`)."""
    runtime = request.scope["state"]["runtime"]  # type: ignore[attr-defined]
    who = {"computer": runtime.computer, "instance": runtime.instance, "protocol": VERSION, "name": runtime.address_name}
    body = {"status": runtime.state, **who}
    if "who" in request.GET:
        return JsonResponse(body)
    if caller_of(request.scope).is_loopback and (backends := await asyncio.to_thread(runtime.backends, get_language() or "en")):  # type: ignore[attr-defined]
        body["backends"] = backends
    if runtime.state == "loading":
        response = JsonResponse(body | {"step": runtime.progress.step, "progress": runtime.progress.fraction}, status=503)
        response._has_been_logged = True  # type: ignore[attr-defined]  # to Django every 503 is an error for the log
        return response
    if runtime.state == "failed":
        return JsonResponse(body, status=503)
    try:
        await asyncio.wait_for(runtime.check(), CHECK_S)
    except NotReady:
        pass  # it makes room just now
    except EngineError as error:
        return JsonResponse(body | {"status": "failed", "code": error.code}, status=503)
    except TimeoutError:
        return JsonResponse(body | {"status": "failed", "code": "timeout"}, status=503)
    return JsonResponse(body | {"model": runtime.default_model})
