from __future__ import annotations

import pytest

from chat.masking import introduced, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to li.ming+x@mail.example.com today", "Write to [EMAIL] today"),
        ("see https://example.com/a?token=1 there", "see [ADDRESS] there"),
        ("it is at 192.168.1.20, port 80", "it is at [ADDRESS], port 80"),
        ("电话13812345678。", "电话[NUMBER]。"),
        ("call +86 138-1234-5678 now", "call [NUMBER] now"),
        ("(010) 6555 1234", "([NUMBER]"),
        ("身份证11010519491231002X", "身份证[NUMBER]"),
        ("QQ 10001", "QQ [NUMBER]"),
    ],
)
def test_addresses_and_long_numbers_go(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("text", ["In 2024 I ate 12 apples, 3.14 of them at 8:30", "37 + 45 = 82", "1, 2, 3, 4, 5, 6", "version 1.2.3"])
def test_years_and_sums_stay(text: str) -> None:
    assert mask(text) == text


def test_known_names_go_wherever_they_stand() -> None:
    names = {"王小明", "小明", "Ann"}
    assert mask("王小明和小明说 Ann likes Anna, Ann.", names) == "[NAME]和[NAME]说 [NAME] likes Anna, [NAME]."
    assert mask("a b", {"a", " "}) == "a b"


def test_who_introduces_themselves_is_known() -> None:
    said = ["你好，我叫王小明，在北京。", "My name is Mary Jane Smith and I am well", "我叫Tom。", "我的名字是李雷", "call me Bob"]
    assert introduced(said) == {"王小明", "Mary Jane Smith", "Tom", "李雷", "Bob"}
    assert introduced(["我叫了外卖，很好吃", "my name is on the list"]) == set()
