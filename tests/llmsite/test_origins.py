from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmsite.origins import page_origin

HOST = "192.168.1.7:8000"


@pytest.mark.parametrize(
    ("origin", "whose"),
    [
        (None, "own"),  # an app, or a program
        ("http://192.168.1.7:8000", "own"),
        ("https://app.example", "named"),
        ("http://app.example", "foreign"),
        ("https://app.example:8443", "foreign"),
        ("https://app.example.evil.example", "foreign"),
        ("http://192.168.1.7:9000", "foreign"),
        ("http://192.168.1.7", "foreign"),
        ("null", "foreign"),
        ("file://", "foreign"),
        ("http://[", "foreign"),
        ("garbage", "foreign"),
    ],
)
@pytest.mark.parametrize("open_", [False, True])
def test_whose_page_it_is(settings: Any, origin: str | None, whose: str, open_: bool) -> None:
    settings.CONFIG = replace(settings.CONFIG, cors_origins=("https://app.example",), open=open_)
    assert page_origin(origin, HOST) == whose
