"""Scores by a judge, which is any model that can be asked: a folder, or NAME@URL of an OpenAI-compatible server.

Three scores from 0 to 10: language, knowledge and reasoning, efficiency (does it answer to the point, in as many words as it takes). What the
judge does not give in form, or does not answer at all, stays blank; nothing is filled in for it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from statistics import mean

from micromind.answering import Answerer
from micromind.document import Message
from micromind.problems import StageError

log = logging.getLogger(__name__)

SCORES = ("language", "knowledge", "efficiency")
_ORDER = """You grade the answer of a small language model. Give three whole numbers from 0 to 10 as JSON and nothing else:
{{"language": ..., "knowledge": ..., "efficiency": ...}}
language: is it fluent and free of mistakes, in the question's language? knowledge: is what it says true, and its reasoning sound?
efficiency: does it answer the question, without filler or repetition?

Question:
{question}

Answer:
{answer}"""


def read_scores(reply: str) -> dict[str, int] | None:
    """The judge's three numbers, or None where it gave something else."""
    found = re.search(r"\{[^{}]*\}", reply.rpartition("</think>")[2])
    try:
        given = json.loads(found[0]) if found else None
    except ValueError:
        return None
    if not isinstance(given, dict):
        return None
    scores = {name: given.get(name) for name in SCORES}
    if all(isinstance(score, int) and not isinstance(score, bool) and 0 <= score <= 10 for score in scores.values()):
        return {name: int(score) for name, score in scores.items() if score is not None}
    return None


def judge(answerer: Answerer, pairs: Sequence[tuple[str, str]]) -> dict[str, float | int | None]:
    """Mean scores over (question, answer) pairs, and how many the judge scored; a score is None where it scored none."""
    prompts = [[Message(role="user", content=_ORDER.format(question=question, answer=answer or "(nothing)"))] for question, answer in pairs]
    scored = [scores for prompt in prompts if (scores := read_scores(_ask(answerer, prompt)))]
    return {name: round(mean(scores[name] for scores in scored), 2) if scored else None for name in SCORES} | {"judged": len(scored)}


def _ask(answerer: Answerer, prompt: list[Message]) -> str:
    """One reply; "" where the judge fails: the other figures of a long evaluation must not be lost with it."""
    try:
        return answerer([prompt], max_new_tokens=300, do_sample=False, temperature=0.0)[0].text
    except StageError as error:
        log.warning("no score: %s", error)
        return ""
