from __future__ import annotations

import pytest
import tzlocal

from llmsite.clock import local_zone


@pytest.mark.parametrize(
    ("said", "zone"), [("Asia/Shanghai", "Asia/Shanghai"), ("Europe/Zurich", "Europe/Zurich"), ("Nowhere/Land", "UTC"), ("", "UTC"), (None, "UTC")]
)
def test_the_zone_of_the_computer(monkeypatch: pytest.MonkeyPatch, said: str | None, zone: str) -> None:
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: said)
    assert local_zone() == zone


def test_a_computer_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise LookupError("no time zone")

    monkeypatch.setattr(tzlocal, "get_localzone_name", broken)
    assert local_zone() == "UTC"
