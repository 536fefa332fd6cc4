from __future__ import annotations

import re

import pytest

from micromind import evaluate
from micromind.evaluate import Dialogue
from tests.micromind.tiny import tiny_model, tiny_tokenizer


@pytest.mark.parametrize("text", ["好好好好好好好好好好好好好好", "我不知道。我不知道。我不知道。我不知道。", "and then and then and then and then"])
def test_loops_are_seen(text: str) -> None:
    assert evaluate.loops(text)


@pytest.mark.parametrize("text", ["哈哈哈，好的", "python manage.py models download NAME, python manage.py serve --model NAME", "1 + 1 = 2", ""])
def test_ordinary_text_is_no_loop(text: str) -> None:
    assert not evaluate.loops(text)


def test_the_questions_are_sound() -> None:
    dialogues = evaluate.questions()
    assert len(dialogues) >= 60
    for dialogue in dialogues:
        re.compile(dialogue.expect)
        assert dialogue.turns


def test_most_questions_are_not_in_the_training_texts() -> None:
    known = evaluate.trained_on()
    dialogues = evaluate.questions()
    assert sum(dialogue.turns[0] in known for dialogue in dialogues) < len(dialogues) / 3


def test_answers_stand_between_the_turns() -> None:
    dialogue = Dialogue("memory", ["a", "b"], system="s", answers=["x"])
    assert [message["role"] for message in dialogue.prompt()] == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in dialogue.prompt()] == ["s", "a", "x", "b"]


def test_every_turn_is_answered() -> None:
    model, tokenizer = tiny_model(), tiny_tokenizer()
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    dialogues = [Dialogue("a", ["hi", "hi"]), Dialogue("b", ["你好"], expect="好")]
    evaluate.ask(model, tokenizer, dialogues, max_new_tokens=3, do_sample=False)
    assert [len(dialogue.answers) for dialogue in dialogues] == [2, 1]
    assert evaluate.summary(dialogues)["answers"] == 3
