from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.v1.asked import NEUTRAL, UNSUPPORTED, chat_request, text_request
from chat.v1.refusals import Refusal
from inference.types import ChatMessage, Sampling

HI = [{"role": "user", "content": "hi"}]
BARE: dict[str, Any] = {"model": "m", "messages": HI}


def refused(**more: Any) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        chat_request(BARE | more)
    assert caught.value.status == 400
    return caught.value.code, caught.value.param


def test_all_that_can_be_said() -> None:
    said = {"temperature": 0, "top_p": 0.5, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "seed": 3, "max_completion_tokens": 7}
    request = chat_request(BARE | said | {"stop": "END", "stream": True, "stream_options": {"include_usage": True}, "store": True, "user": "u1"})
    expected = Sampling(max_tokens=7, temperature=0, top_p=0.5, top_k=5, min_p=0.1, repetition_penalty=1.1, seed=3, stop=("END",))
    assert request.asked.sampling == expected
    assert (request.stream, request.include_usage, request.asked.store, request.asked.label) == (True, True, True, "u1")
    assert chat_request(BARE | {"max_tokens": 5, "max_completion_tokens": 5}).asked.sampling.max_tokens == 5
    assert chat_request(BARE | {"chat_template_kwargs": {"enable_thinking": False}}).asked.sampling.thinking is False


def test_null_says_nothing() -> None:
    nulls: dict[str, Any] = dict.fromkeys(("temperature", "tools", "seed", "stop", "logit_bias", "nonsense"))
    assert chat_request(BARE | nulls).asked == chat_request(BARE).asked


@pytest.mark.parametrize("name", sorted(UNSUPPORTED - {"name", "refusal", "tool_call_id", "tool_calls", "annotations"}))
def test_what_is_not_supported_is_refused_by_its_name(name: str) -> None:
    assert refused(**{name: "something else"}) == ("unsupported_parameter", name)
    for neutral in NEUTRAL.get(name, ()):
        assert chat_request(BARE | {name: neutral}).asked == chat_request(BARE).asked


def test_true_is_not_one() -> None:
    assert refused(n=True) == ("unsupported_parameter", "n")
    assert refused(logprobs=1) == ("unsupported_parameter", "logprobs")


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({"nonsense": 1}, "unknown_parameter", "nonsense"),
        ({"model": None}, "missing_required_parameter", "model"),
        ({"messages": None}, "missing_required_parameter", "messages"),
        ({"messages": []}, "invalid_type", "messages"),
        ({"messages": ["hi"]}, "invalid_type", "messages[0]"),
        ({"temperature": 3}, "invalid_value", "temperature"),
        ({"temperature": "1"}, "invalid_type", "temperature"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "invalid_value", "max_tokens"),
        ({"stop": ["a"] * 9}, "invalid_value", "stop"),
        ({"stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
        ({"stream": True, "stream_options": {"other": 1}}, "unknown_parameter", "stream_options.other"),
        ({"chat_template_kwargs": {"reasoning": True}}, "unknown_parameter", "chat_template_kwargs.reasoning"),
    ],
)
def test_what_is_wrong_is_named(more: dict[str, Any], code: str, param: str) -> None:
    assert refused(**more) == (code, param)


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"role": "tool", "content": "x", "tool_call_id": "1"}, "unsupported_parameter", "messages[1].tool_call_id"),
        ({"role": "tool", "content": "x"}, "invalid_value", "messages[1].role"),
        ({"role": "assistant", "content": "x", "tool_calls": [{}]}, "unsupported_parameter", "messages[1].tool_calls"),
        ({"role": "user", "content": "x", "name": "bob"}, "unsupported_parameter", "messages[1].name"),
        ({"role": "user", "content": "x", "other": 1}, "unknown_parameter", "messages[1].other"),
        ({"role": ["user"], "content": "x"}, "invalid_value", "messages[1].role"),
        ({"role": "user", "content": 5}, "invalid_type", "messages[1].content"),
        ({"role": "user", "content": " "}, None, None),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "unsupported_value", "messages[1].content[0].type"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "more": 1}]}, "unsupported_parameter", "messages[1].content[0].more"),
        ({"role": "user", "reasoning_content": "x", "content": "x"}, "invalid_value", "messages[1].reasoning_content"),
        ({"role": "assistant", "content": "x"}, "invalid_value", "messages[1].role"),
    ],
)  # fmt: skip
def test_messages(message: dict[str, Any], code: str | None, param: str | None) -> None:
    if code is None:
        assert chat_request(BARE | {"messages": [*HI, message]}).asked.messages[-1].content.startswith("hi")
    else:
        assert refused(messages=[*HI, message]) == (code, param)


def test_turns_of_one_speaker_become_one() -> None:
    developer, answer = {"role": "developer", "content": "kind"}, {"role": "assistant", "content": "yes", "reasoning_content": "hm", "refusal": None}
    messages = chat_request(BARE | {"messages": [developer, *HI, *HI, answer, *HI]}).asked.messages
    assert messages == (
        ChatMessage("system", "kind"),
        ChatMessage("user", "hi\n\nhi"),
        ChatMessage("assistant", "yes", "hm"),
        ChatMessage("user", "hi"),
    )


def test_a_text_to_go_on_with() -> None:
    assert text_request({"model": "m", "prompt": "once"}).asked.text == "once"
    assert text_request({"model": "m", "prompt": ["once"], "echo": False, "best_of": 1}).asked.text == "once"
    wrong = [("prompt", ["a", "b"]), ("prompt", [1, 2]), ("store", True), ("echo", True), ("max_completion_tokens", 3), ("suffix", "x")]
    for name, value in wrong:
        with pytest.raises(Refusal) as caught:
            text_request({"model": "m", "prompt": "once"} | {name: value})
        assert caught.value.param == name


def test_what_is_no_object_is_refused() -> None:
    for body in ([], "x", 3):
        with pytest.raises(Refusal):
            chat_request(body)


NAMES = [*UNSUPPORTED, "model", "messages", "stream", "stream_options", "stop", "chat_template_kwargs", "user", "seed", "temperature", "prompt"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.sampled_from(["user", "assistant", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "reasoning_content", "include_usage"]) | st.text(max_size=3), inner, max_size=4
        )
    ),
    max_leaves=12,
)


MESSAGES = st.lists(ANYTHING | st.fixed_dictionaries({"role": st.just("user") | ANYTHING, "content": ANYTHING}), max_size=3)


@given(fields=st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=4), messages=MESSAGES)
def test_whatever_comes_is_read_or_refused(fields: dict[str, Any], messages: Any) -> None:
    for read, body in ((chat_request, BARE | {"messages": messages} | fields), (text_request, {"model": "m", "prompt": messages} | fields)):
        with suppress(Refusal):
            read(body)
