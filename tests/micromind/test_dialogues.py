from __future__ import annotations

import re

from micromind import data, dialogues
from micromind.answering import LocalAnswerer
from micromind.dialogues import Dialogue
from tests.micromind.tiny import tiny_model, tiny_tokenizer


def test_the_questions_are_sound() -> None:
    asked = dialogues.questions()
    assert len(asked) >= 60
    for dialogue in asked:
        re.compile(dialogue.expect)
        assert dialogue.turns


def test_most_questions_are_not_in_the_training_texts() -> None:
    known = data.own_questions()
    asked = dialogues.questions()
    assert sum(dialogue.turns[0] in known for dialogue in asked) < len(asked) / 3


def test_answers_stand_between_the_turns() -> None:
    dialogue = Dialogue("memory", ["a", "b"], system="s", answers=["x"])
    assert [message["role"] for message in dialogue.prompt()] == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in dialogue.prompt()] == ["s", "a", "x", "b"]


def test_every_turn_is_answered() -> None:
    model, tokenizer = tiny_model(), tiny_tokenizer()
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    asked = [Dialogue("a", ["hi", "hi"]), Dialogue("b", ["你好"], expect="好")]
    dialogues.ask(LocalAnswerer(model, tokenizer), asked, max_new_tokens=3, do_sample=False)
    assert [len(dialogue.answers) for dialogue in asked] == [2, 1]
    assert dialogues.summary(asked)["answers"] == 3
