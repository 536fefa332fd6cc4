"""The chat template, as the server will use it."""

from __future__ import annotations

import pytest
from jinja2.exceptions import TemplateError

from tests.micromind.tiny import tiny_tokenizer

ASKED = [{"role": "user", "content": "1+1=?"}]
THOUGHT = {"role": "assistant", "content": "2", "reasoning_content": "1 + 1 = 2"}


def rendered(messages: list[dict[str, str]], **options: bool) -> str:
    return tiny_tokenizer().apply_chat_template(messages, tokenize=False, **options)


def test_roles_stand_between_their_tags() -> None:
    text = rendered([{"role": "system", "content": "你是一只猫。"}, *ASKED])
    assert text == "<|im_start|>system\n你是一只猫。<|im_end|>\n<|im_start|>user\n1+1=?<|im_end|>\n"


def test_thinking_is_off_unless_asked_for() -> None:
    empty = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert rendered(ASKED, add_generation_prompt=True).endswith(empty)
    assert rendered(ASKED, add_generation_prompt=True, enable_thinking=False).endswith(empty)


def test_thinking_can_be_asked_for() -> None:
    assert rendered(ASKED, add_generation_prompt=True, enable_thinking=True).endswith("<|im_start|>assistant\n")


def test_the_last_answer_keeps_its_thought() -> None:
    assert "<think>\n1 + 1 = 2\n</think>\n\n2<|im_end|>" in rendered([*ASKED, THOUGHT])


def test_the_thoughts_of_earlier_turns_are_dropped() -> None:
    text = rendered([*ASKED, THOUGHT, {"role": "user", "content": "谢谢"}])
    assert "<think>\n\n</think>\n\n2<|im_end|>" in text
    assert "1 + 1 = 2" not in text


def test_a_thought_inside_the_content_is_found() -> None:
    inside = {"role": "assistant", "content": "<think>\n1 + 1 = 2\n</think>\n\n2"}
    assert rendered([*ASKED, inside]) == rendered([*ASKED, THOUGHT])


def test_each_prompt_begins_with_the_one_before() -> None:
    first = rendered(ASKED, add_generation_prompt=True)
    second = rendered([*ASKED, {"role": "assistant", "content": "2"}, {"role": "user", "content": "2+2=?"}], add_generation_prompt=True)
    assert second.startswith(first)


def test_an_interrupted_answer_can_be_continued() -> None:
    text = rendered([*ASKED, {"role": "assistant", "content": "1 + 1"}], continue_final_message=True)
    assert text.endswith("</think>\n\n1 + 1")


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(TemplateError, match="Unknown role: tool"):
        rendered([{"role": "tool", "content": "x"}])
