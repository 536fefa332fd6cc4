"""How a conversation is put into a request for a remote server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import EmptyPrompt
from inference.openai_request import GO_ON, build_messages, build_parameters, estimate_tokens, fit, understood, unknown_extras
from inference.types import ChatMessage, GenerationRequest, Prefill, Sampling

NONE: frozenset[str] = frozenset()


def conversation(turns: int, size: int = 300) -> tuple[ChatMessage, ...]:
    pairs = ((ChatMessage("user", f"{i} " + "q" * size), ChatMessage("assistant", "a" * size)) for i in range(turns))
    return (ChatMessage("system", "Be kind."), *(m for pair in pairs for m in pair), ChatMessage("user", "newest"))


def test_without_a_window_all_turns_are_sent() -> None:
    assert fit(conversation(500), None, None) == (list(conversation(500)), 0)


def test_the_oldest_whole_turns_are_left_out() -> None:
    kept, dropped = fit(conversation(20), 2048, 512)
    assert kept[0].role == "system"
    assert kept[1].role == "user", "a conversation does not begin with half a turn"
    assert kept[-1].content == "newest"
    assert 0 < dropped < 40
    assert dropped % 2 == 0
    assert [*conversation(20)[dropped + 1 :]] == kept[1:]


@given(st.integers(0, 30), st.integers(0, 2000), st.integers(64, 8192), st.integers(1, 8192))
def test_the_newest_turn_and_the_system_prompt_always_stay(turns: int, size: int, window: int, max_tokens: int) -> None:
    messages = conversation(turns, size)
    kept, dropped = fit(messages, window, max_tokens)
    assert kept[0] == messages[0]
    assert kept[-1] == messages[-1]
    assert len(kept) + dropped == len(messages)
    spent = sum(estimate_tokens(m.content) for m in kept)
    assert dropped == 2 * turns or spent <= window - min(max_tokens, window // 2)


def test_a_smaller_answer_leaves_more_of_the_conversation() -> None:
    assert fit(conversation(20), 4096, 100)[1] < fit(conversation(20), 4096, 2000)[1]


@pytest.mark.parametrize(
    ("text", "least", "most"), [("The quick brown fox jumps over the lazy dog.", 10, 22), ("今天天气很好，我们去公园吧。", 10, 28), ("", 0, 0)]
)
def test_the_estimate_is_rather_too_high(text: str, least: int, most: int) -> None:
    """`least` is what Qwen's tokenizer makes of it."""
    assert least <= estimate_tokens(text) <= most


def request(prefill: Prefill | None, content: str = "Hi") -> GenerationRequest:
    return GenerationRequest("r", (ChatMessage("user", content),), Sampling(), prefill)


CUT = Prefill(thinking="hm", answer="Once upon a")
CUT_THINKING = Prefill(thinking="Let me", in_thinking=True)


@pytest.mark.parametrize(
    ("prefill", "extras", "added"),
    [
        (None, NONE, []),
        (Prefill(), NONE, []),
        (CUT, NONE, [{"role": "assistant", "content": "Once upon a"}, {"role": "user", "content": GO_ON}]),
        (CUT, frozenset({"continue_final_message"}), [{"role": "assistant", "content": "Once upon a"}]),
        (CUT, frozenset({"prefix"}), [{"role": "assistant", "content": "Once upon a", "reasoning_content": "hm", "prefix": True}]),
        (CUT_THINKING, NONE, []),
        (CUT_THINKING, frozenset({"continue_final_message"}), []),
        (CUT_THINKING, frozenset({"prefix"}), [{"role": "assistant", "content": "", "reasoning_content": "Let me", "prefix": True}]),
    ],
)
def test_an_interrupted_answer_goes_on(prefill: Prefill | None, extras: frozenset[str], added: list[dict[str, object]]) -> None:
    messages, dropped = build_messages(request(prefill), extras, None, None)
    assert messages == [{"role": "user", "content": "Hi"}, *added]
    assert dropped == 0


def test_what_is_to_be_continued_counts_against_the_window() -> None:
    long = GenerationRequest("r", conversation(10), Sampling(), Prefill(answer="x" * 1500))
    short = GenerationRequest("r", conversation(10), Sampling(), Prefill(answer="x"))
    assert build_messages(long, NONE, 2048, 256)[1] > build_messages(short, NONE, 2048, 256)[1]


@pytest.mark.parametrize("content", ["", "  ", "\n"])
def test_blank_messages_are_refused(content: str) -> None:
    with pytest.raises(EmptyPrompt):
        build_messages(request(None, content), NONE, None, None)


def test_half_a_character_in_a_message_can_still_be_sent() -> None:
    messages, _ = build_messages(request(None, "a\ud83d b"), NONE, None, None)
    assert messages[0]["content"].encode("utf-8") == b"a? b"


@pytest.mark.parametrize(
    ("sampling", "extras", "continued", "expected"),
    [
        (Sampling(), NONE, False, {}),
        (Sampling(max_tokens=5, temperature=0.0, stop=()), NONE, False, {"max_tokens": 5, "temperature": 0.0}),
        (Sampling(max_tokens=5), frozenset({"max_completion_tokens"}), False, {"max_completion_tokens": 5}),
        (Sampling(top_k=0, min_p=0.1), frozenset({"top_k", "min_p"}), False, {"extra_body": {"top_k": 0, "min_p": 0.1}}),
        (Sampling(thinking=True), frozenset({"thinking"}), False, {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}),
        (Sampling(thinking=False), frozenset({"enable_thinking"}), False, {"extra_body": {"enable_thinking": False}}),
        (Sampling(), frozenset({"continue_final_message"}), True, {"extra_body": {"continue_final_message": True, "add_generation_prompt": False}}),
        (Sampling(), frozenset({"continue_final_message"}), False, {}),
        (Sampling(), frozenset({"prefix"}), True, {}),
    ],
)
def test_parameters(sampling: Sampling, extras: frozenset[str], continued: bool, expected: dict[str, object]) -> None:
    assert build_parameters(sampling, extras, continued=continued) == expected


def test_what_a_server_understands() -> None:
    standard = {"max_tokens", "temperature", "top_p", "stop", "seed"}
    assert understood(NONE) == standard
    assert understood(frozenset({"top_k", "enable_thinking", "prefix", "think_open"})) == standard | {"top_k", "thinking"}
    assert unknown_extras(("top_k", "topk", "seed")) == ["topk"]
