"""What a call asks for, read from its JSON. What is not supported is refused by its name, never left out.

`null` is the same as nothing, as for OpenAI's own server: the clients send it for what was not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chat.api.invalid import problem_of
from chat.calls import Asked
from chat.v1.refusals import Refusal, language, refused
from inference.types import ChatMessage, Role, Sampling

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "logprobs": (False, 0),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tools": ([],),
    "tool_choice": ("none",),
    "functions": ([],),
    "function_call": ("none",),
    "suffix": ("",),
    "service_tier": ("auto", "default"),
    "metadata": ({},),
    "tool_calls": ([],),
    "annotations": ([],),
}
"""Known parameters that are not supported, and the values of them that change nothing: those are taken."""
UNSUPPORTED = {
    *NEUTRAL,
    *("audio", "parallel_tool_calls", "prediction", "prompt_cache_key", "prompt_cache_retention", "reasoning_effort", "safety_identifier"),
    *("verbosity", "web_search_options", "moderation", "refusal", "tool_call_id", "name"),
}
ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

Fields = TypeVar("Fields", bound=BaseModel)
Words = Annotated[str, Field(min_length=1, max_length=64)]


class Strict(BaseModel):
    """Of unknown fields nothing is left out."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _StreamOptions(Strict):
    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class _TemplateOptions(Strict):
    enable_thinking: bool | None = None


class _Common(Strict):
    model: str = Field(min_length=1, max_length=200)
    stream: bool = False
    stream_options: _StreamOptions | None = None
    store: bool = False
    user: str = Field("", max_length=200)
    max_tokens: int | None = Field(None, ge=1, le=131_072)
    max_completion_tokens: int | None = Field(None, ge=1, le=131_072)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=1000)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, ge=0.5, le=2)
    seed: int | None = Field(None, ge=0, le=2**32 - 1)
    stop: Annotated[list[Words], Field(max_length=8)] | None = None
    chat_template_kwargs: _TemplateOptions | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A call, and how its answer is to come."""

    asked: Asked
    stream: bool
    include_usage: bool


def chat_request(body: Any) -> Request:
    """Of `/v1/chat/completions`. Raises Refusal."""
    fields = fields_of(body)
    messages = _messages(fields.pop("messages", None))
    common = _common(fields, refused_here=())
    return _request(common, messages=messages)


def text_request(body: Any) -> Request:
    """Of `/v1/completions`. Raises Refusal."""
    fields = fields_of(body)
    prompt = fields.pop("prompt", None)
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if prompt is None:
        raise missing("prompt")
    if not isinstance(prompt, str):
        raise refused(400, "invalid_type", "v1_one_text", param="prompt")
    return _request(_common(fields, refused_here=("chat_template_kwargs", "max_completion_tokens", "store")), text=prompt)


def fields_of(body: Any) -> dict[str, Any]:
    """What is said in a body. Raises Refusal for what is known and not supported."""
    if not isinstance(body, dict):
        raise refused(400, "invalid_type", "v1_object")
    return _said(body, "")


def _said(value: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Without what says nothing. Raises Refusal for what is known and not supported."""
    said: dict[str, Any] = {}
    for name, given in value.items():
        if given is None or _is_neutral(name, given):
            continue
        if name in UNSUPPORTED:
            raise _unsupported(where + name)
        said[name] = given
    return said


def _is_neutral(name: str, given: Any) -> bool:
    """By value and by type: 1 is not True."""
    numbers = (int, float)
    return any(
        given == neutral and (type(given) is type(neutral) or (type(given) in numbers and type(neutral) in numbers))
        for neutral in NEUTRAL.get(name, ())
    )


def checked(kind: type[Fields], fields: dict[str, Any]) -> Fields:
    """Raises Refusal."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _problem(error) from error


def _common(fields: dict[str, Any], *, refused_here: tuple[str, ...]) -> _Common:
    for name in refused_here:
        if fields.get(name):
            raise _unsupported(name)
    if isinstance(fields.get("stop"), str):
        fields["stop"] = [fields["stop"]]
    common = checked(_Common, fields)
    if common.stream_options is not None and not common.stream:
        raise refused(400, "invalid_value", "v1_only_streamed", param="stream_options")
    if common.max_tokens is not None and common.max_completion_tokens not in (None, common.max_tokens):
        raise refused(400, "invalid_value", "v1_two_limits", param="max_tokens")
    return common


def _request(common: _Common, **what: Any) -> Request:
    sampling = Sampling(
        max_tokens=common.max_completion_tokens or common.max_tokens,
        temperature=common.temperature,
        top_p=common.top_p,
        top_k=common.top_k,
        min_p=common.min_p,
        repetition_penalty=common.repetition_penalty,
        seed=common.seed,
        stop=tuple(common.stop) if common.stop else None,
        thinking=common.chat_template_kwargs.enable_thinking if common.chat_template_kwargs else None,
    )
    asked = Asked(model=common.model, sampling=sampling, store=common.store, label=common.user, **what)
    return Request(asked, common.stream, bool(common.stream_options and common.stream_options.include_usage))


# --- messages ------------------------------------------------------------------------------------------------------------------------


def _messages(value: Any) -> tuple[ChatMessage, ...]:
    """Two turns of one speaker side by side become one, because many chat templates refuse them."""
    if value is None:
        raise missing("messages")
    if not isinstance(value, list) or not value:
        raise refused(400, "invalid_type", "v1_messages", param="messages")
    turns: list[ChatMessage] = []
    for index, raw in enumerate(value):
        turn = _message(raw, f"messages[{index}]")
        if turns and turns[-1].role == turn.role and turn.role != "system":
            last = turns.pop()
            turn = ChatMessage(turn.role, f"{last.content}\n\n{turn.content}", last.thinking or turn.thinking)
        turns.append(turn)
    if turns[-1].role != "user":
        raise refused(400, "invalid_value", "v1_last_message", param=f"messages[{len(value) - 1}].role", role=turns[-1].role)
    if not turns[-1].content.strip():
        raise refused(400, "invalid_value", "v1_empty", param=f"messages[{len(value) - 1}].content")
    return tuple(turns)


def _message(raw: Any, where: str) -> ChatMessage:
    if not isinstance(raw, dict):
        raise refused(400, "invalid_type", "v1_messages", param=where)
    said = _said(raw, f"{where}.")
    role = said.pop("role", None)
    if not isinstance(role, str) or role not in ROLES:
        raise refused(400, "invalid_value", "v1_role", param=f"{where}.role", got=str(role)[:40])
    content = _content(said.pop("content", ""), f"{where}.content")
    thinking = said.pop("reasoning_content", "")
    if not isinstance(thinking, str) or (thinking and role != "assistant"):
        raise refused(400, "invalid_value", "v1_reasoning", param=f"{where}.reasoning_content")
    if said:
        raise _unknown(f"{where}.{next(iter(said))}")
    return ChatMessage(ROLES[role], content, thinking)


def _content(value: Any, where: str) -> str:
    """Text, or a list of parts that are text."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise refused(400, "invalid_type", "v1_content", param=where)
    texts: list[str] = []
    for index, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text":
            raise refused(400, "unsupported_value", "v1_part", param=f"{where}[{index}].type", got=str(kind)[:40])
        if not isinstance(part.get("text"), str):
            raise refused(400, "invalid_type", "v1_content", param=f"{where}[{index}].text")
        if more := sorted(set(part) - {"type", "text"}):
            raise _unsupported(f"{where}[{index}].{more[0]}")
        texts.append(part["text"])
    return "\n\n".join(texts)


# --- refusals ------------------------------------------------------------------------------------------------------------------------


def _unsupported(name: str) -> Refusal:
    return refused(400, "unsupported_parameter", "v1_unsupported", param=name, name=name)


def _unknown(name: str) -> Refusal:
    return refused(400, "unknown_parameter", "v1_unknown", param=name, name=name)


def missing(name: str) -> Refusal:
    return refused(400, "missing_required_parameter", "v1_missing", param=name, name=name)


def _problem(error: ValidationError) -> Refusal:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return missing(name)
    if first["type"] == "extra_forbidden":
        return _unknown(name)
    code = "invalid_type" if first["type"].endswith("_type") else "invalid_value"
    return Refusal(400, code, problem_of(first, name, language()), param=name)
