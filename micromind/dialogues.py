"""Our own test dialogues (texts/questions.jsonl): asking a model all of them, and what its answers come to.

Counted are the answers that end by themselves, those that run into a loop, and those that contain what they should.
A quarter of the questions stands in the training texts word for word; the others are counted apart.
An honest "I can't" counts as right where it is (sums, names told before).
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from micromind import data
from micromind.answering import Answerer
from micromind.document import Message
from micromind.measures import loops

QUESTIONS = data.OWN_FOLDER / "questions.jsonl"


@dataclass
class Dialogue:
    """One test case: user turns to be asked in order; the model's own answers stand between them."""

    group: str
    turns: list[str]
    system: str = ""
    expect: str = ""  # a pattern that the last answer must contain
    answers: list[str] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)

    def prompt(self) -> list[Message]:
        """The messages up to the next turn that has no answer yet."""
        messages = [Message(role="system", content=self.system)] if self.system else []
        for question, answer in zip(self.turns, [*self.answers, None], strict=False):
            messages.append(Message(role="user", content=question))
            if answer is not None:
                messages.append(Message(role="assistant", content=answer))
        return messages

    @property
    def right(self) -> bool | None:
        return bool(re.search(self.expect, self.answers[-1])) if self.expect else None


def questions(path: Path = QUESTIONS) -> list[Dialogue]:
    return [Dialogue(**record) for record in data.read_jsonl(path)]


def ask(answerer: Answerer, dialogues: list[Dialogue], *, thinking: bool = False, **sampling: Any) -> None:
    """Let the model answer every turn of every dialogue; fills `answers` and `stopped`."""
    for turn in range(max(len(dialogue.turns) for dialogue in dialogues)):
        waiting = [dialogue for dialogue in dialogues if len(dialogue.turns) > turn]
        for dialogue, answer in zip(waiting, answerer([d.prompt() for d in waiting], thinking=thinking, **sampling), strict=True):
            dialogue.answers.append(answer.text)
            dialogue.stopped.append(answer.ended)


def summary(dialogues: list[Dialogue]) -> dict[str, Any]:
    """Rates over all answers, and the share of right ones for each group that can be checked."""
    answers = [answer for dialogue in dialogues for answer in dialogue.answers]
    stopped = [ended for dialogue in dialogues for ended in dialogue.stopped]
    known = data.own_questions()
    groups: dict[str, list[bool]] = defaultdict(list)
    for dialogue in dialogues:
        if dialogue.right is not None:
            groups[dialogue.group].append(dialogue.right)
            groups["(seen in training)" if dialogue.turns[0] in known else "(not seen)"].append(dialogue.right)
    return {
        "answers": len(answers),
        "stopped": round(sum(stopped) / len(stopped), 4),
        "loops": round(sum(map(loops, answers)) / len(answers), 4),
        "empty": sum(not answer.strip() for answer in answers),
        "characters": round(sum(map(len, answers)) / len(answers), 1),
        "right": {group: f"{sum(right)}/{len(right)}" for group, right in groups.items()},
    }
