from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import inference.errors
from llmsite.serve import words
from llmsite.serve.words import SENTENCES, say

SERVE = Path(words.__file__).parent


@pytest.fixture(autouse=True)
def forget_the_language() -> Iterator[None]:
    words.language.cache_clear()
    yield
    words.language.cache_clear()


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_fill_in_the_same_things() -> None:
    assert {key for key, (english, chinese) in SENTENCES.items() if fields(english) != fields(chinese)} == set()


def test_every_sentence_that_is_said_is_there() -> None:
    said = set()
    for file in [*SERVE.glob("*.py"), *SERVE.parent.glob("*.py")]:
        said |= set(re.findall(r"""\bsay\(\s*["']([\w.]+)["']""", file.read_text(encoding="utf-8")))
    assert len(said) > 20
    assert said <= set(SENTENCES)


def test_engine_sentences_are_the_engines_own() -> None:
    """The English of a translated engine error is the same as the error's, letter for letter."""
    kinds = {kind.code: kind.sentence for kind in vars(inference.errors).values() if isinstance(kind, type) and hasattr(kind, "sentence")}
    for key, (english, _) in SENTENCES.items():
        if key.startswith("engine."):
            assert english == kinds[key.removeprefix("engine.")]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "停止"),
        ({"LANG": "en_US.UTF-8"}, "Stop"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_TW.UTF-8"}, "停止"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "Stop"),
        ({}, "Stop"),
    ],
)
def test_the_language_is_the_systems(environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert say("stop") == expected
