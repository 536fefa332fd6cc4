"""The API: its routes together, its documentation, and what holds for every request."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, include, path, re_path
from django.views.generic import RedirectView
from ninja import NinjaAPI
from ninja.errors import ValidationError, ValidationErrorContext
from ninja.operation import Operation
from ninja.renderers import JSONRenderer

from chat.api import catalogue, conversations, devices, messages
from chat.api.auth import PairedDevice, refuse_foreign_pages
from chat.api.body import JsonParser
from chat.api.errors import ApiError, install, refusal
from chat.exporting import ExportedConversation

View = Callable[..., Any]
"""A synchronous view: they all use the database."""

DESCRIPTION = """\
What the chat page does, for other programs. Answers are streamed over the WebSocket `ws/chat/`, not here;
for programs that speak OpenAI's protocol there is `/v1/`, with keys of its own (`/pair/`).

**Who asks.** A paired device shows its token as `Authorization: Bearer …` (`POST /api/pair` gives one for a code) or, in a browser, its cookie.
The computer's own browser needs neither. A page of another site is refused whatever it shows, unless `cors_origins` names it.

**Errors** are `{"code", "message"}`; the message is one sentence in the language of the request.
What is another person's is as if it were not there: 404.

**Lists** come in pages: `next` of one is the `cursor` of the following.
"""


class Json(JSONRenderer):
    """UTF-8 as it is: \\u escapes make Chinese twice as long."""

    json_dumps_params = {"ensure_ascii": False}


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    schema: Any = None
    """Made once: that takes a tenth of a second."""

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        self.schema = self.schema or self._described(super().get_openapi_schema(**kwargs))
        return self.schema

    def _described(self, schema: Any) -> Any:
        # The one body that ninja does not read itself.
        definition = ExportedConversation.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= {**definition.pop("$defs"), "ExportedConversation": definition}
        return schema

    def validation_error_from_error_contexts(self, error_contexts: list[ValidationErrorContext[Any]]) -> ValidationError:
        """Unlike ninja's, with what came, which the sentence names."""
        errors = []
        for context in error_contexts:
            source, flat = context.model.__ninja_param_source__, context.model.__ninja_flatten_map_reverse__
            errors += [{**error, "loc": (source, *flat.get(error["loc"], error["loc"]))} for error in context.pydantic_validation_error.errors()]
        return ValidationError(errors)


api = Api(title="llmsite", version="1", description=DESCRIPTION, auth=PairedDevice(), parser=JsonParser(), renderer=Json(), urls_namespace="api")
install(api)
for part in (devices, conversations, messages, catalogue):
    api.add_router("", part.router)


def guarded(view: View) -> View:
    """What holds for every route, before ninja looks at the request; and ninja's only answer that is not JSON."""

    @wraps(view)
    def guard(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            refuse_foreign_pages(request)
            if any("\0" in text for values in request.GET.lists() for text in (values[0], *values[1])):
                raise ApiError(400, "bad_text")
        except ApiError as error:
            return refusal(error.status, error.code, **error.params)
        except SuspiciousOperation:  # a query of a thousand fields
            return refusal(400, "bad_request")
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        json = refusal(405, "method_not_allowed", method=request.method or "")
        json["Allow"] = response["Allow"]
        return json

    return guard


def unknown(request: HttpRequest) -> HttpResponse:
    return refusal(404, "not_found")


def _urls() -> list[Any]:
    patterns, app, namespace = api.urls
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.name not in ("openapi-json", "openapi-view", "api-root"):
            pattern.callback = guarded(pattern.callback)
    return [
        path("api/", RedirectView.as_view(pattern_name="api:openapi-view")),
        path("api/", include((patterns, app), namespace)),
        re_path(r"^api(?:/|$)", unknown),
    ]


urlpatterns = _urls()
