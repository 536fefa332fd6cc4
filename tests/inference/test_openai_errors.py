"""Retry-After in its three forms, and lengths in the words of several servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from inference.errors import BackendRefused, ContextOverflow
from inference.openai_errors import Backend, retry_after

BACKEND = Backend("http://host/v1", "m", None, 5.0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "x"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_a_date() -> None:
    ahead = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after({"retry-after": ahead}) == pytest.approx(60, abs=3)
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        ("This model's maximum context length is 65536 tokens. However, you requested 70000 tokens.", (70000, 65536)),
        ("This model's maximum context length is 4,096 tokens. However, you requested 5,010 tokens.", (5010, 4096)),
    ],
)
def test_a_prompt_that_is_too_long_is_told_with_both_lengths(message: str, numbers: tuple[int, int]) -> None:
    error = BACKEND.status(400, {"message": message}).error
    assert isinstance(error, ContextOverflow)
    assert (error.params["used"], error.params["limit"]) == numbers


def test_without_lengths_the_servers_own_words_are_told() -> None:
    error = BACKEND.status(400, {"message": "prompt is too long"}).error
    assert isinstance(error, BackendRefused)
    assert "prompt is too long" in str(error)


def test_a_web_page_is_not_told() -> None:
    assert "html" not in str(BACKEND.status(418, "<html>" + "x" * 9000).error)


def test_long_words_are_cut() -> None:
    assert len(str(BACKEND.status(400, {"message": "a " * 9000}).error)) < 400
