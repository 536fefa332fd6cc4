"""`/v1/embeddings`: vectors of texts, by the models that llmsite.toml names for it."""

from __future__ import annotations

import base64
import struct
from time import monotonic
from typing import Any, Literal
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from pydantic import Field

from chat import call_records
from chat.api.auth import runtime_of
from chat.calls import alone
from chat.database import in_database
from chat.identity import Client
from chat.v1.answers import json_answer
from chat.v1.asked import Strict, checked, fields_of, missing
from chat.v1.guard import guarded, json_of, key_of, under_way
from chat.v1.refusals import refused
from inference.errors import EngineError, NoModel

MOST_TEXTS = 2048
KIND = " embeddings"
"""What these calls are counted under, apart from those that decode."""


class _Fields(Strict):
    model: str = Field(min_length=1, max_length=200)
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)
    user: str = Field("", max_length=200)


@guarded("POST")
async def embeddings(request: HttpRequest, client: Client) -> HttpResponse:
    models = runtime_of(request).embeddings
    if not models.names():
        raise refused(404, "model_not_found", "no_embeddings", param="model")
    fields = fields_of(json_of(request))
    texts = _texts(fields.pop("input", None))
    asked = checked(_Fields, fields)
    if asked.model not in models.names():
        raise NoModel(name=asked.model, known=", ".join(models.names()))
    call, began = uuid4(), monotonic()
    audit: dict[str, Any] = {"device": client.device, "model": asked.model, "options": {"user": asked.user} if asked.user else {}}
    with under_way(client, models.live, KIND):  # for as long as the block lasts, and no longer: so `begun` has nothing to hear
        try:
            found = await models.embed(asked.model, texts, call, key_of(client) + KIND)
        except EngineError as error:
            await alone(in_database(call_records.embedded, **audit, error=error, total_s=round(monotonic() - began, 4)))
            raise
    await alone(in_database(call_records.embedded, **audit, tokens=found.tokens, total_s=round(monotonic() - began, 4)))
    width = len(found.vectors[0])
    if asked.dimensions not in (None, width):
        raise refused(400, "unsupported_value", "v1_dimensions", param="dimensions", model=asked.model, dimensions=width)
    rows = [{"object": "embedding", "index": i, "embedding": _written(v, asked.encoding_format)} for i, v in enumerate(found.vectors)]
    usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
    return json_answer({"object": "list", "model": asked.model, "data": rows, "usage": usage})


def _texts(value: Any) -> tuple[str, ...]:
    """Raises Refusal, for lists of tokens too: whose tokens they would be is not known."""
    if value is None:
        raise missing("input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not 0 < len(texts) <= MOST_TEXTS or not all(isinstance(text, str) for text in texts):
        raise refused(400, "invalid_type", "v1_texts", param="input", most=MOST_TEXTS)
    for index, text in enumerate(texts):
        if not text.strip():
            raise refused(400, "invalid_value", "v1_empty", param=f"input[{index}]")
    return tuple(texts)


def _written(vector: tuple[float, ...], form: str) -> list[float] | str:
    """`base64`: 32-bit floats, little-endian, as OpenAI's client for Python asks for by itself."""
    return list(vector) if form == "float" else base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
