"""The objects that /v1/ answers with, whole and in pieces."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

from django.http import JsonResponse

from chat.calls import Answering, Done
from inference.types import Channel, Delta

FIELDS: dict[Channel, str] = {"answer": "content", "thinking": "reasoning_content"}


class ChatShape:
    """Of `/v1/chat/completions`."""

    kind, kind_of_piece, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl-"

    def whole(self, texts: dict[Channel, str]) -> dict[str, Any]:
        thinking = {"reasoning_content": texts["thinking"]} if texts["thinking"] else {}
        return {"message": {"role": "assistant", "content": texts["answer"], "refusal": None, **thinking}}

    def first(self) -> dict[str, Any] | None:
        return {"delta": {"role": "assistant", "content": ""}}

    def piece(self, delta: Delta) -> dict[str, Any]:
        return {"delta": {FIELDS[delta.channel]: delta.text}}

    def last(self) -> dict[str, Any]:
        return {"delta": {}}


class TextShape:
    """Of `/v1/completions`: one text, in which thinking is not told apart."""

    kind, kind_of_piece, prefix = "text_completion", "text_completion", "cmpl-"

    def whole(self, texts: dict[Channel, str]) -> dict[str, Any]:
        return {"text": texts["thinking"] + texts["answer"]}

    def first(self) -> dict[str, Any] | None:
        return None

    def piece(self, delta: Delta) -> dict[str, Any]:
        return {"text": delta.text}

    def last(self) -> dict[str, Any]:
        return {"text": ""}


Shape = ChatShape | TextShape


class Answer:
    """One call's answer. All of its pieces have the same id and time."""

    def __init__(self, shape: Shape, call: Answering) -> None:
        self.shape = shape
        self._head = {"id": shape.prefix + name_of(call.id), "created": int(time.time()), "model": call.model}

    def whole(self, texts: dict[Channel, str], done: Done) -> dict[str, Any]:
        choice = {"index": 0, **self.shape.whole(texts), "logprobs": None, "finish_reason": done.reason}
        return {**self._head, "object": self.shape.kind, "choices": [choice], "usage": usage(done)}

    def piece(self, choice: dict[str, Any], *, finish_reason: str | None = None) -> dict[str, Any]:
        whole = {"index": 0, **choice, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head, "object": self.shape.kind_of_piece, "choices": [whole]}

    def count(self, done: Done) -> dict[str, Any]:
        """The piece behind the last one, for those who asked for it."""
        return {**self._head, "object": self.shape.kind_of_piece, "choices": [], "usage": usage(done)}


def name_of(call: UUID) -> str:
    return call.hex


def usage(done: Done) -> dict[str, Any]:
    """A remote model that counts no prompt tokens has 0 of them."""
    prompt, completion = done.usage.prompt_tokens, done.usage.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": done.thinking_tokens},
    }


def json_answer(body: Any) -> JsonResponse:
    return JsonResponse(body, json_dumps_params={"ensure_ascii": False})


def event(data: Any) -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()
