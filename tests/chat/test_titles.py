from __future__ import annotations

import pytest

from chat.titles import MOST_CHARS, title_of


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("Hello", "Hello"),
        ("  spaces \n and lines ", "spaces and lines"),
        ("What is this? And that?", "What is this?"),
        ("今天天气怎么样？明天呢？", "今天天气怎么样？"),
        ("Version 3.11 is out", "Version 3.11 is out"),
        ("# A **bold** `heading`\ntext", "A bold heading text"),
        ("```py\nprint()\n```\nWhat does it do?", "What does it do?"),
        ("```py\nprint()\n```", "py print()"),
        ("   ", ""),
        ("", ""),
    ],
)
def test_the_first_sentence_without_markdown(content: str, title: str) -> None:
    assert title_of(content) == title


def test_a_long_one_is_cut_between_words() -> None:
    title = title_of("one two three four five six seven eight nine ten eleven twelve thirteen fourteen")
    assert title == "one two three four five six seven eight nine ten eleven…"
    assert len(title) <= MOST_CHARS


def test_a_long_chinese_one_is_cut_anywhere() -> None:
    title = title_of("请" * 200)
    assert title == "请" * (MOST_CHARS - 1) + "…"
