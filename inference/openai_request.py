"""A conversation as an OpenAI-compatible server wants it: messages, parameters, context budget, continuation. No network here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from inference.errors import EmptyPrompt, UnsupportedParameter
from inference.types import SAMPLING_NAMES, ChatMessage, GenerationRequest, Prefill, Sampling

STANDARD = frozenset({"max_tokens", "temperature", "top_p", "stop", "seed"})
"""What every server of this kind takes."""

EXTRA = frozenset({"top_k", "min_p", "repetition_penalty"})
"""Sampling that only some take, under these names at the top of the body (vLLM, SiliconFlow, llama.cpp, SGLang)."""

THINKING_FORMS = frozenset({"thinking", "enable_thinking"})
"""How a server is told to think or not: `chat_template_kwargs.enable_thinking` (vLLM, SGLang, llama.cpp, transformers serve), or
`enable_thinking` at the top of the body (SiliconFlow, DashScope)."""

CONTINUE_FORMS = frozenset({"continue_final_message", "prefix"})
"""How a server is told to go on with the last message: vLLM's and SGLang's flags, or DeepSeek's `prefix` (base_url https://api.deepseek.com/beta)."""

OTHER_FORMS = frozenset({"max_completion_tokens", "think_open"})
"""`max_completion_tokens`: the limit's name at OpenAI's own reasoning models. `think_open`: answers begin inside the thinking, because the
template has opened it and the server does not split it (R1 distillations under vLLM without --reasoning-parser)."""

KNOWN = EXTRA | THINKING_FORMS | CONTINUE_FORMS | OTHER_FORMS

GO_ON = (
    "Your last message was cut off. Continue it from exactly the point where it broke off, in the same language and form. "
    "Repeat nothing of it, and do not mention the break."
)

MESSAGE_TOKENS = 8
"""Speaker marks around one message; the templates of Qwen, Llama and DeepSeek take 4 to 7."""


def understood(extras: frozenset[str]) -> frozenset[str]:
    """The sampling names that a server with these extras understands."""
    thinking = {"thinking"} if extras & THINKING_FORMS else set()
    return STANDARD | (extras & EXTRA) | thinking


def refuse_unsupported(sampling: Sampling, parameters: frozenset[str]) -> None:
    """Raises UnsupportedParameter for the first parameter that is said and not understood."""
    for name in SAMPLING_NAMES:
        if getattr(sampling, name) is not None and name not in parameters:
            raise UnsupportedParameter(name=name)


def plain(text: str) -> str:
    """Text that UTF-8 can carry: a lone half of a surrogate pair becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def build_messages(
    request: GenerationRequest, extras: frozenset[str], context_window: int | None, max_tokens: int | None
) -> tuple[list[dict[str, Any]], int]:
    """The messages to send, and how many of the oldest had to be left out.

    Thinking of earlier turns is not sent back: DeepSeek refuses it, and templates drop it anyway. Raises EmptyPrompt.
    """
    if not request.messages or not request.messages[-1].content.strip():
        raise EmptyPrompt
    going_on = continuation(request.prefill, extras)
    taken = sum(estimate_tokens(turn["content"]) + MESSAGE_TOKENS for turn in going_on)
    kept, dropped = fit(request.messages, context_window, max_tokens, taken)
    messages: list[dict[str, Any]] = [{"role": m.role, "content": plain(m.content)} for m in kept]
    return messages + going_on, dropped


def continuation(prefill: Prefill | None, extras: frozenset[str]) -> list[dict[str, Any]]:
    """The messages that make the model go on behind an interrupted answer.

    A server that can be told to go on with the last message gets the text as that message. Any other gets it as a finished turn, and a
    short request to go on: most models do so without a seam, none promises it. An answer that was cut inside its thinking goes on only at
    a server with `prefix`, which takes thinking too; elsewhere it thinks again from the start.
    """
    if prefill is None or not (prefill.answer or (prefill.thinking and "prefix" in extras)):
        return []
    turn: dict[str, Any] = {"role": "assistant", "content": plain(prefill.answer)}
    if "prefix" in extras:
        thinking = {"reasoning_content": plain(prefill.thinking)} if prefill.thinking else {}
        return [{**turn, **thinking, "prefix": True}]
    return [turn] if "continue_final_message" in extras else [turn, {"role": "user", "content": GO_ON}]


def build_parameters(sampling: Sampling, extras: frozenset[str], *, continued: bool) -> dict[str, Any]:
    """The rest of the request, for `chat.completions.create`. Only what is said is sent: the server's own defaults hold for the rest."""
    said = sampling.said()
    if not said.get("stop"):
        said.pop("stop", None)
    body: dict[str, Any] = {name: said[name] for name in STANDARD if name in said}
    if "max_completion_tokens" in extras and "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    extra: dict[str, Any] = {name: said[name] for name in sorted(EXTRA) if name in said}
    if "thinking" in said and "enable_thinking" in extras:
        extra["enable_thinking"] = said["thinking"]
    elif "thinking" in said:
        extra["chat_template_kwargs"] = {"enable_thinking": said["thinking"]}
    if continued and "continue_final_message" in extras and "prefix" not in extras:
        extra |= {"continue_final_message": True, "add_generation_prompt": False}
    if extra:
        body["extra_body"] = extra
    return body


def build_text(text: str, sampling: Sampling) -> dict[str, Any]:
    """The request for `completions.create`: a text to go on with, without a conversation. Raises EmptyPrompt."""
    if not text:
        raise EmptyPrompt
    return {"prompt": plain(text), **build_parameters(replace(sampling, thinking=None), EXTRA, continued=False)}


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has; on purpose rather too many.

    English has 4 to 5 ASCII characters a token and code 3; of Chinese one character takes 0.6 to 1.3 tokens in the vocabularies of Qwen,
    DeepSeek and Llama, and an emoji up to 3.
    """
    ascii_count = sum(map(str.isascii, text))
    wide_bytes = len(text.encode("utf-8", "replace")) - ascii_count
    return math.ceil(ascii_count / 3 + wide_bytes / 2.3)


def fit(messages: Sequence[ChatMessage], window: int | None, max_tokens: int | None, taken: int = 0) -> tuple[list[ChatMessage], int]:
    """The system messages and as many of the newest whole turns as fit by estimate, and how many messages were left out.

    A turn is a user message with the answers to it. `window` None: nothing is left out. The answer's `max_tokens` is kept free (a quarter
    of the window when it is not said, never more than half), and `taken` for what follows the messages. The newest turn always stays:
    whether it is too long, only the server knows, and it says so with its own count.
    """
    if window is None:
        return list(messages), 0
    budget = window - min(max_tokens or window // 4, window // 2) - taken
    system = [m for m in messages if m.role == "system"]
    turns: list[list[ChatMessage]] = []
    for message in messages:
        if message.role == "user" or (message.role == "assistant" and not turns):
            turns.append([message])
        elif message.role == "assistant":
            turns[-1].append(message)
    left = budget - sum(map(_cost, system)) - sum(map(_cost, turns[-1]))
    kept = len(turns) - 1
    while kept and (left := left - sum(map(_cost, turns[kept - 1]))) >= 0:
        kept -= 1
    dropped = sum(map(len, turns[:kept]))
    return system + [m for turn in turns[kept:] for m in turn], dropped


def _cost(message: ChatMessage) -> int:
    return estimate_tokens(message.content) + MESSAGE_TOKENS


def unknown_extras(extras: Iterable[str]) -> list[str]:
    """The names in `parameters` that mean nothing here, for the configuration's error message."""
    return sorted(set(extras) - KNOWN - STANDARD)
