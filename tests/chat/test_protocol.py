from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.protocol import BadFrame, Options, SendMessage, parse
from inference.types import SAMPLING_NAMES

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def test_the_tutorials_form() -> None:
    assert parse('{"message": "你好"}') == SendMessage(message="你好")
    assert parse('{"type": "message", "message": "你好"}') == SendMessage(message="你好")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expected a JSON object"),
        ("[1]", "Expected a JSON object, got “[1]”"),
        ("{}", "The field message is missing"),
        ('{"type": "shout"}', "Expected type to be one of message, stop, resume, regenerate, continue, edit, ping, got “shout”"),
        ('{"type": ["a"]}', "Expected type to be one of"),
        ('{"type": "stop"}', "The field run is missing"),
        ('{"type": "stop", "run": "5"}', "run: Input should be a valid UUID"),
        ('{"message": 5}', "message: Input should be a valid string, got “5”"),
        ('{"message": "a", "colour": 1}', "The field colour is not known here"),
        ('{"message": "a", "options": {"tempreature": 1}}', "The field options.tempreature is not known here"),
        ('{"message": "a", "options": {"temperature": 3}}', "options.temperature: Input should be less than or equal to 2, got “3”"),
        ('{"message": "a", "options": {"temperature": NaN}}', "options.temperature"),
        ('{"message": "a", "options": {"top_k": "5"}}', "options.top_k: Input should be a valid integer, got “5”"),
        ('{"message": "a", "options": {"preset": "wild"}}', "options.preset"),
        ('{"message": "\\ud83d"}', "half of a surrogate pair"),
        ('{"message": "a\\u0000b"}', "a NUL"),
        ("[" * 50_000, "nested too deep"),
        ('{"message": ' + "[" * 900 + "]" * 900 + "}", "message"),
    ],
)
def test_a_bad_frame_is_told_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(BadFrame) as refused:
        parse(text)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 300


def test_the_key_of_a_bad_frame_is_kept_so_that_the_client_knows_which() -> None:
    with pytest.raises(BadFrame) as refused:
        parse('{"message": 5, "key": "k1"}')
    assert refused.value.key == "k1"


@given(json_values)
def test_any_json_is_a_frame_or_refused(value: object) -> None:
    for candidate in (
        value,
        {"type": "message", "message": value},
        {"message": "a", "options": value},
        {"type": "resume", "run": value, "after": value},
    ):
        try:
            parse(json.dumps(candidate))
        except BadFrame as refused:
            str(refused).encode()


@given(st.text())
def test_any_text_is_a_frame_or_refused(text: str) -> None:
    try:
        parse(text)
    except BadFrame as refused:
        str(refused).encode()


def test_options_are_the_engines_sampling() -> None:
    assert set(Options.model_fields) - {"preset"} == set(SAMPLING_NAMES)
