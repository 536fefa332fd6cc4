from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import wifi


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("home", "secret-12"), "WIFI:T:WPA;S:home;P:secret-12;;"),
        (("手机热点", "12345678"), "WIFI:T:WPA;S:手机热点;P:12345678;;"),
        ((r'a;b,c:d"e\f', r'p;a,s:s"w\d'), r"WIFI:T:WPA;S:a\;b\,c\:d\"e\\f;P:p\;a\,s\:s\"w\\d;;"),
        (("cafe", ""), "WIFI:T:nopass;S:cafe;;"),
    ],
)
def test_what_a_phone_reads(arguments: tuple[str, str], text: str) -> None:
    assert wifi.joining(*arguments) == text


def test_a_hidden_network_says_so() -> None:
    assert wifi.joining("home", "secret-12", hidden=True) == "WIFI:T:WPA;S:home;P:secret-12;H:true;;"


@pytest.mark.parametrize(
    ("name", "password", "key"),
    [
        ("", "secret-12", "wifi_name_length"),
        ("x" * 33, "secret-12", "wifi_name_length"),
        ("热" * 11, "secret-12", "wifi_name_length"),
        ("home", "short", "wifi_password_length"),
        ("home", "x" * 64, "wifi_password_length"),
    ],
)
def test_what_cannot_be(name: str, password: str, key: str) -> None:
    with pytest.raises(wifi.Unusable, match=key):
        wifi.joining(name, password)


def test_a_raw_key_has_64_hexadecimal_digits() -> None:
    assert wifi.joining("home", "a1" * 32).endswith(f"P:{'a1' * 32};;")


def read(text: str) -> dict[str, str]:
    """As a phone takes it apart: at each semicolon that no backslash stands before."""
    fields = re.findall(r"([A-Z]):((?:\\.|[^;\\])*);", text.removeprefix("WIFI:"))
    return {key: re.sub(r"\\(.)", r"\1", value) for key, value in fields}


characters = st.characters(min_codepoint=32, max_codepoint=126)


@given(name=st.text(characters, min_size=1, max_size=32), password=st.text(characters, min_size=8, max_size=63), hidden=st.booleans())
def test_whatever_is_entered_comes_out_again(name: str, password: str, hidden: bool) -> None:
    expected = {"T": "WPA", "S": name, "P": password} | ({"H": "true"} if hidden else {})
    assert read(wifi.joining(name, password, hidden=hidden)) == expected
