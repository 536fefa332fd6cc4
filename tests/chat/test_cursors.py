from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import keeping, selectors, services
from chat.cursors import BadCursor, Place
from chat.identity import Client

SOME_ID = "88ad2ddd-5116-4a11-aa68-12b4e4c91a32"


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.sampled_from([0, 1]))
def test_a_cursor_is_the_place_that_made_it(when: datetime, row: object, group: int) -> None:
    place = Place(when, row, group)  # type: ignore[arg-type]
    assert Place.of(place.cursor()) == place


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "=",
        "é",
        "a" * 5000,
        packed([]),
        packed({}),
        packed(["2026-01-01", SOME_ID, 0]),
        packed(["2026-01-01T00:00:00+00:00", "no", 0]),
        packed(["2026-01-01T00:00:00+00:00", SOME_ID, 7]),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        Place.of(cursor)


def test_a_list_page_by_page_is_the_list(client: Client) -> None:
    ids = [services.send(device=client.device, content=f"{number}").conversation for number in range(7)]
    keeping.update_conversation(owner=client.owner, conversation=ids[2], pinned=True)
    keeping.update_conversation(owner=client.owner, conversation=ids[4], pinned=True)
    seen: list[str] = []
    cursor = None
    while True:
        page = selectors.conversation_list(client.owner, cursor, limit=2)
        seen += [item["title"] for item in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == ["4", "2", "6", "5", "3", "1", "0"]


def test_what_comes_meanwhile_repeats_nothing(client: Client) -> None:
    for number in range(4):
        services.send(device=client.device, content=f"{number}")
    first = selectors.conversation_list(client.owner, limit=2)
    services.send(device=client.device, content="new")
    second = selectors.conversation_list(client.owner, first.next, limit=9)
    assert [item["title"] for item in first.items + second.items] == ["3", "2", "1", "0"]
