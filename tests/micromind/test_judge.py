from __future__ import annotations

import pytest

from micromind.answering import Answer
from micromind.judge import judge, read_scores
from micromind.problems import StageError


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ('{"language": 7, "knowledge": 0, "efficiency": 10}', (7, 0, 10)),
        ('<think>{"language": 1}</think>Here: ```json\n{"language": 7, "knowledge": 3, "efficiency": 5}\n```', (7, 3, 5)),
        ('{"language": 11, "knowledge": 3, "efficiency": 5}', None),
        ('{"language": true, "knowledge": 3, "efficiency": 5}', None),
        ('{"language": 7, "knowledge": 3}', None),
        ('{"language": "...", }', None),
        ("7, 3 and 5", None),
        ("", None),
    ],
)
def test_only_three_numbers_in_form_count(reply: str, scores: tuple[int, int, int] | None) -> None:
    assert read_scores(reply) == (scores and dict(zip(("language", "knowledge", "efficiency"), scores, strict=True)))


def test_what_the_judge_did_not_give_stays_blank() -> None:
    replies = iter(['{"language": 7, "knowledge": 3, "efficiency": 5}', "I will not", '{"language": 8, "knowledge": 4, "efficiency": 6}'])

    def answerer(prompts, **sampling):  # type: ignore[no-untyped-def]
        assert "Question:\nq" in prompts[0][0]["content"]
        return [Answer(next(replies), True) for _ in prompts]

    assert judge(answerer, [("q", "a")] * 3) == {"language": 7.5, "knowledge": 3.5, "efficiency": 5.5, "judged": 2}
    assert judge(lambda prompts, **_: [Answer("no", True)], [("q", "a")]) == {"language": None, "knowledge": None, "efficiency": None, "judged": 0}


def test_a_judge_that_fails_leaves_blanks_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    asked = []

    def answerer(prompts, **sampling):  # type: ignore[no-untyped-def]
        asked.extend(prompts)
        if len(asked) == 2:
            raise StageError("far at http://far/v1 gave no answer: Connection error.")
        return [Answer('{"language": 6, "knowledge": 2, "efficiency": 4}', True)]

    assert judge(answerer, [("q", "a")] * 3) == {"language": 6, "knowledge": 2, "efficiency": 4, "judged": 2}
    assert "no score: far at http://far/v1 gave no answer" in caplog.text
