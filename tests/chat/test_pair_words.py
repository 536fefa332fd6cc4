from __future__ import annotations

import re
import string
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone, translation

from chat import pair_words
from chat.pair_words import SENTENCES, ago, say

CHAT = Path(pair_words.__file__).parent


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_fill_in_the_same_things() -> None:
    assert {key for key, (english, chinese) in SENTENCES.items() if fields(english) != fields(chinese)} == set()


def test_every_sentence_is_said_and_every_one_that_is_said_is_there() -> None:
    said = set()
    for file in (CHAT / "templates" / "chat" / "pair").glob("*.html"):
        said |= set(re.findall(r"""\{% say ["']([\w.]+)["']""", file.read_text(encoding="utf-8")))
    for file in CHAT.rglob("*.py"):
        said |= set(re.findall(r"""\bsay\("([\w.]+)\"""", file.read_text(encoding="utf-8")))
    chosen = {key for key in SENTENCES if key.startswith(("kind.", "ago."))} | {
        "wifi_name_length",
        "wifi_password_length",
        "no_name",
        "too_many_keys",
        "nobody_to_pair",
    }
    assert said | chosen == set(SENTENCES)


def test_sentences_stay_calm() -> None:
    assert not [key for key, texts in SENTENCES.items() for text in texts if re.search("[!！]", text)]


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [(5, "just now", "刚刚"), (125, "2 min ago", "2 分钟前"), (7300, "2 h ago", "2 小时前"), (3 * 86400 + 9, "3 d ago", "3 天前")],
)
def test_how_long_ago(seconds: int, english: str, chinese: str) -> None:
    when = timezone.now() - timedelta(seconds=seconds)
    assert ago(when) == english
    with translation.override("zh-hans"):
        assert ago(when) == chinese


def test_never() -> None:
    assert ago(None) == ""
    assert say("new_code") == "New code"
