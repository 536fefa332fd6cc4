from __future__ import annotations

import random
import re

from micromind import synthetic
from micromind.document import Document, exchange


def test_one_seed_gives_one_set() -> None:
    assert synthetic.examples(50, random.Random(3)) == synthetic.examples(50, random.Random(3))


def test_every_example_is_a_conversation() -> None:
    for document in synthetic.examples(300, random.Random(1)):
        roles = [message["role"] for message in document.messages if message["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert all(message["content"] for message in document.messages)


def test_sums_are_right() -> None:
    operations = {"+": int.__add__, "-": int.__sub__, "×": int.__mul__, "÷": int.__floordiv__}
    checked = 0
    for document in synthetic.examples(500, random.Random(2)):
        found = re.fullmatch(r"(\d+) ([+×÷-]) (\d+) = (\d+)[。.]?", document.messages[-1]["content"])
        if found:
            assert operations[found[2]](int(found[1]), int(found[3])) == int(found[4])
            checked += 1
    assert checked > 50


def test_sums_in_steps() -> None:
    assert synthetic._add_steps(27, 35) == "20 + 30 = 50\n7 + 5 = 12\n50 + 12 = 62"


def test_rewording_keeps_the_question() -> None:
    rng = random.Random(1)
    assert all("怎么连接手机" in synthetic.reworded("怎么连接手机？", rng) for _ in range(50))
    assert all("my phone" in synthetic.reworded("How do I connect my phone?", rng) for _ in range(50))


def test_without_copying_no_sum_is_answered_and_no_name_repeated() -> None:
    examples = synthetic.examples(400, random.Random(1), copying=False)
    answers = [message["content"] for document in examples for message in document.messages if message["role"] == "assistant"]
    assert not any(re.search(r"\d", answer) for answer in answers)
    assert not any(name in answer for answer in answers for name in ("小明", "Tom", "Anna"))
    assert any("计算器" in answer for answer in answers)


def test_an_unknown_question_is_refused_in_its_language() -> None:
    refuse = synthetic.unknown(random.Random(1))
    assert "不知道" in refuse(Document(messages=exchange("谁写了这本书？", "我写的。"))).messages[-1]["content"]
    assert "don't know" in refuse(Document(messages=exchange("Who wrote it?", "I did."))).messages[-1]["content"]
