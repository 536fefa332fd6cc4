from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client as Browser
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from chat.admin import figures as module
from chat.admin import statistics
from chat.admin.figures import DAY, HOUR, figures
from chat.identity import Client
from chat.models import Conversation, Feedback, Message, Run

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def run(client: Client, ago: timedelta, **values: Any) -> Run:
    """A finished run, so long before NOW."""
    conversation = Conversation.objects.create(owner=client.device.owner)
    message = Message.objects.create(conversation=conversation, role="assistant")
    given = {"status": "done", "finish_reason": "stop", "model": "a", "prompt_tokens": 10, "completion_tokens": 5}
    return Run.objects.create(message=message, created_at=NOW - ago, **{**given, **values})


def rate(run_: Run, rating: int, ago: timedelta) -> None:
    Feedback.objects.create(message=run_.message, rating=rating)
    Feedback.objects.filter(message=run_.message).update(updated_at=NOW - ago)


def test_runs_fall_into_their_hours(client: Client) -> None:
    for ago, reason in ((timedelta(minutes=5), "stop"), (timedelta(minutes=31), "stop"), (timedelta(hours=2), "error"), (timedelta(days=2), "stop")):
        run(client, ago, finish_reason=reason)
    found = figures("24h", now=NOW)
    assert (found.width, len(found.times)) == (HOUR, 24)
    assert datetime.fromtimestamp(found.times[-1], tz=UTC) == NOW.replace(minute=0)
    assert found.by_reason["stop"][-2:] == [1, 1]
    assert found.by_reason["error"][-3:] == [1, 0, 0]
    assert (found.runs, found.prompt_tokens, found.completion_tokens) == (3, 30, 15)
    assert found.tokens["completion"][-1] == 5


def test_percentiles_are_nearest_ranks_of_each_stretch(client: Client) -> None:
    for value in (5, 1, 4, 2, 3, 10, 9, 8, 7, 6):
        run(client, timedelta(minutes=1), first_token_s=value)
    run(client, timedelta(minutes=1), first_token_s=None, tokens_per_second=50)
    run(client, timedelta(hours=1), first_token_s=0.25)
    found = figures("24h", now=NOW)
    assert (found.first_token["p50"][-3:], found.first_token["p90"][-3:]) == ([None, 0.25, 5], [None, 0.25, 9])
    assert (found.speed["p50"][-2:], found.speed["p90"][-2:]) == ([None, 50], [None, 50])


def test_one_model_by_itself(client: Client) -> None:
    a, b = run(client, timedelta(hours=1), first_token_s=1), run(client, timedelta(hours=1), model="b", first_token_s=3, finish_reason="error")
    rate(a, 1, timedelta(minutes=1))
    rate(b, -1, timedelta(minutes=1))
    found = figures("7d", model="b", now=NOW)
    assert (found.runs, list(found.by_model), sum(found.ratings[1]), sum(found.ratings[-1])) == (1, ["b"], 0, 1)
    assert [value for value in found.first_token["p50"] if value] == [3]
    both = figures("7d", now=NOW)
    assert [(row["model"], row["runs"], row["errors"], row["up"], row["down"]) for row in both.models] == [("a", 1, 0, 1, 0), ("b", 1, 1, 0, 1)]
    assert [row["first_token"] for row in both.models] == [1, 3]


def test_everything_begins_with_the_first_run_and_has_few_stretches(client: Client) -> None:
    run(client, timedelta(days=3))
    assert len(figures("all", now=NOW).times) == 4
    run(client, timedelta(days=1500))
    found = figures("all", now=NOW)
    assert (found.width, found.runs) == (28 * DAY, 2)
    assert len(found.times) <= module.MOST_STRETCHES
    assert found.by_model["a"][0] == 1


def test_days_are_those_of_the_admins_clock(client: Client) -> None:
    run(client, timedelta(hours=3))
    with timezone.override("Asia/Shanghai"):
        assert datetime.fromtimestamp(figures("30d", now=NOW).times[-1], tz=UTC) == datetime(2026, 11, 22, tzinfo=UTC)
        late = figures("30d", now=NOW + timedelta(hours=4))
    assert datetime.fromtimestamp(late.times[-1], tz=UTC) == datetime(2026, 11, 23, tzinfo=UTC)
    assert late.by_model["a"][-2:] == [1, 0]


def test_nothing_at_all(client: Client) -> None:
    for name in module.RANGES:
        found = figures(name, now=NOW)
        assert found.runs == 0
        assert set(found.first_token["p50"]) == {None}


@pytest.mark.parametrize("query", ["", "?range=24h", "?range=30d", "?range=all", "?range=ever", "?model=a", "?model=gone", "?range=all&model=b"])
def test_the_page_opens(owner: Browser, client: Client, query: str) -> None:
    rate(run(client, NOW - timezone.now(), first_token_s=0.5, tokens_per_second=70), 1, NOW - timezone.now())
    run(client, NOW - timezone.now(), model="b", prompt="x" * 100_000)
    with CaptureQueriesContext(connection) as queries:
        page = owner.get(f"/admin/statistics/{query}")
    assert page.status_code == 200
    assert not any('"chat_run"."prompt"' in query["sql"] for query in queries)
    html = page.content.decode()
    assert html.count("<figure>") == html.count('class="plot"') == len(page.context["plots"])
    assert {plot["id"] for plot in page.context["plots"]} >= {"reasons", "models", "tokens"}
    assert "<script type=" in html
    assert page.context["data"]["plots"][0]["series"][0]["values"][-1] >= 1


def test_the_page_is_for_those_who_may_see_runs(guest: Browser, client: Client) -> None:
    assert guest.get("/admin/statistics/").status_code == 200
    User.objects.get(username="guest").user_permissions.clear()
    assert guest.get("/admin/statistics/").status_code == 403
    assert "Statistics" not in guest.get("/admin/").content.decode()
    assert Browser(HTTP_HOST="localhost").get("/admin/statistics/").status_code == 302


SERVERS = [
    {"model": "big", "name": "left", "url": "http://left:1/v1", "state": "up", "said": "answers", "why": "", "running": 2, "max_streams": 3},
    {"model": "big", "name": "<right>", "url": "http://right:1/v1", "state": "down", "said": "does not answer", "why": "It is gone.", "running": 0},
]


def servers_page(user: str, language: str = "en", **sent: Any) -> str:
    """The page as the server gives it, which knows how the servers are."""
    request: Any = RequestFactory().get("/admin/statistics/")
    request.user = User.objects.get(username=user)
    asked = []

    def backends(language: str) -> list[dict[str, Any]]:
        asked.append(language)
        return [{"max_streams": 8, "since": 1764158400.0, "retry_s": None, **one} for one in SERVERS]

    request.scope = {"state": {"runtime": SimpleNamespace(backends=backends)}}
    with translation.override(language):
        response = statistics.page(request)
        html: str = response.render().content.decode()  # type: ignore[attr-defined]
    assert asked in ([], [language])
    return html


def test_the_owner_sees_how_the_servers_behind_a_model_are(owner: Browser) -> None:
    html = servers_page("admin")
    assert "Model servers now" in html
    assert "2 of 3" in html
    assert "does not answer" in html
    assert "It is gone." in html
    assert "&lt;right&gt;" in html
    assert "<right>" not in html
    chinese = servers_page("admin", "zh-hans")
    assert "模型服务器现状" in chinese
    assert "2 / 3" in chinese


def test_whoever_may_only_read_sees_no_addresses_of_servers(guest: Browser) -> None:
    assert "left" not in servers_page("guest")
