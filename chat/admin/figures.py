"""What the statistics page shows, counted by the database: no run is ever loaded.

Times are cut into stretches of equal length, aligned to the admin's clock. A percentile is the nearest rank: the smallest value that at least so
many of all are not above.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, Count, F, FloatField, Func, Min, QuerySet, Sum, Window
from django.db.models.expressions import Value
from django.db.models.functions import Cast, Ceil, Coalesce, RowNumber
from django.utils import timezone

from chat.models import Feedback, Run

HOUR, DAY = 3600, 86_400
RANGES: dict[str, tuple[timedelta | None, int]] = {
    "24h": (timedelta(hours=24), HOUR),
    "7d": (timedelta(days=7), 6 * HOUR),
    "30d": (timedelta(days=30), DAY),
    "all": (None, DAY),
}
MOST_STRETCHES = 120
MOST_MODELS = 6
SHARES = {"p50": 0.5, "p90": 0.9}


class Stretch(Func):
    """The number of the stretch of time that a moment is in. Django's own Trunc calls Python for each row under SQLite: a second for 50,000 runs."""

    output_field = BigIntegerField()

    def __init__(self, moment: str, cut: Cut) -> None:
        super().__init__(F(moment), Value(cut.offset), Value(cut.width))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s", arg_joiner="", **context)

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        moment, _ = compiler.compile(self.source_expressions[0])
        offset, width = (int(value.value) for value in self.source_expressions[1:])
        if connection.vendor == "sqlite":
            return f"((CAST(strftime('%%s', {moment}) AS INTEGER) + {offset}) / {width})", []
        return f"CAST(FLOOR((EXTRACT(EPOCH FROM {moment}) + {offset}) / {width}) AS BIGINT)", []


@dataclass(frozen=True)
class Cut:
    """How time is cut: `width` seconds a stretch, counted from the epoch of a clock that is `offset` seconds ahead of UTC."""

    since: datetime | None
    width: int
    offset: int

    def number(self, moment: datetime) -> int:
        return (int(moment.timestamp()) + self.offset) // self.width


@dataclass
class Series:
    label: str
    values: list[float | None]


@dataclass
class Figures:
    """`times`: where each stretch begins, in seconds since 1970 on the admin's clock."""

    times: list[int]
    width: int
    runs: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    by_reason: dict[str, list[int]] = field(default_factory=dict)
    by_model: dict[str, list[int]] = field(default_factory=dict)
    tokens: dict[str, list[int]] = field(default_factory=dict)
    first_token: dict[str, list[float | None]] = field(default_factory=dict)
    speed: dict[str, list[float | None]] = field(default_factory=dict)
    ratings: dict[int, list[int]] = field(default_factory=dict)
    models: list[dict[str, Any]] = field(default_factory=list)


def figures(range_: str, model: str = "", now: datetime | None = None) -> Figures:
    """Of the runs and ratings of this range; of one model, when one is named."""
    now = now or timezone.now()
    cut = _cut(range_, now)
    runs = Run.objects.order_by()
    ratings = Feedback.objects.order_by()
    if cut.since is not None:
        runs, ratings = runs.filter(created_at__gte=cut.since), ratings.filter(updated_at__gte=cut.since)
    if model:
        runs, ratings = runs.filter(model=model), ratings.filter(message__runs__model=model)
    counted = list(
        runs.annotate(stretch=Stretch("created_at", cut))
        .values_list("stretch", "model", "finish_reason")
        .annotate(Count("id"), Coalesce(Sum("prompt_tokens"), 0), Coalesce(Sum("completion_tokens"), 0))
    )
    rated = list(ratings.annotate(stretch=Stretch("updated_at", cut)).values_list("stretch", "rating").annotate(Count("id", distinct=True)))
    numbers = _numbers([row[0] for row in counted] + [row[0] for row in rated], cut, now)
    found = Figures([number * cut.width for number in numbers], cut.width)
    _count(found, counted, numbers)
    found.ratings = {rating: _line(numbers, {s: n for s, r, n in rated if r == rating}, 0) for rating in (1, -1)}
    found.first_token = _percentiles(runs, "first_token_s", cut, numbers)
    found.speed = _percentiles(runs, "tokens_per_second", cut, numbers)
    found.models = _models(runs, ratings, counted)
    return found


def _cut(range_: str, now: datetime) -> Cut:
    length, width = RANGES[range_]
    offset = int((timezone.localtime(now).utcoffset() or timedelta()).total_seconds())
    if length is None:
        first = Run.objects.aggregate(Min("created_at"))["created_at__min"] or now
        days = (now - first).days + 1
        width *= next((step for step in (1, 7) if days / step <= MOST_STRETCHES), 28)
        return Cut(None, width, offset)
    # From the beginning of a stretch: half a day would look like a bad one.
    number = (int((now - length).timestamp()) + offset) // width + 1
    return Cut(datetime.fromtimestamp(number * width - offset, tz=now.tzinfo), width, offset)


def _numbers(seen: Iterable[int], cut: Cut, now: datetime) -> list[int]:
    """Every stretch from the first to the present one, the empty ones too."""
    last = cut.number(now)
    first = cut.number(cut.since) if cut.since else min(seen, default=last)
    return list(range(min(first, last), last + 1))


def _count(found: Figures, counted: list[tuple[int, str, str, int, int, int]], numbers: list[int]) -> None:
    reasons: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    models: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    asked: dict[int, int] = defaultdict(int)
    answered: dict[int, int] = defaultdict(int)
    for stretch, model, reason, runs, prompt_tokens, completion_tokens in counted:
        reasons[reason][stretch] += runs
        models[model][stretch] += runs
        asked[stretch] += prompt_tokens
        answered[stretch] += completion_tokens
        found.runs += runs
        found.prompt_tokens += prompt_tokens
        found.completion_tokens += completion_tokens
    often = sorted(models, key=lambda name: -sum(models[name].values()))[:MOST_MODELS]
    found.by_reason = {reason: _line(numbers, reasons[reason], 0) for reason in sorted(reasons)}
    found.by_model = {name: _line(numbers, models[name], 0) for name in often}
    found.tokens = {"prompt": _line(numbers, asked, 0), "completion": _line(numbers, answered, 0)}


def _line(numbers: list[int], values: dict[int, Any], empty: Any) -> list[Any]:
    return [values.get(number, empty) for number in numbers]


def _percentiles(runs: QuerySet[Run], column: str, cut: Cut, numbers: list[int]) -> dict[str, list[float | None]]:
    rows = _ranked(runs.annotate(part=Stretch("created_at", cut)), column)
    return {share: _line(numbers, rows[share], None) for share in SHARES}


def _ranked(runs: QuerySet[Run], column: str) -> dict[str, dict[Any, float]]:
    """The percentiles of a column within each `part` of these runs."""
    known = runs.filter(**{f"{column}__isnull": False})
    rank = Window(RowNumber(), partition_by=F("part"), order_by=F(column).asc())
    count = Window(Count("*"), partition_by=F("part"))
    found: dict[str, dict[Any, float]] = {share: {} for share in SHARES}
    rows = known.annotate(rank=rank, count=count)
    for name, share in SHARES.items():
        at = Ceil(Cast(F("count"), FloatField()) * share)
        found[name] = dict(rows.filter(rank=at).values_list("part", column))
    return found


def _models(runs: QuerySet[Run], ratings: QuerySet[Feedback], counted: list[tuple[int, str, str, int, int, int]]) -> list[dict[str, Any]]:
    """A row for each model: what the table at the end of the page shows."""
    rows: dict[str, dict[str, Any]] = {}
    for _, model, reason, number, prompt_tokens, completion_tokens in counted:
        row = rows.setdefault(model, {"model": model, "runs": 0, "errors": 0, "prompt_tokens": 0, "completion_tokens": 0, "up": 0, "down": 0})
        row["runs"] += number
        row["errors"] += number if reason == Run.FinishReason.ERROR else 0
        row["prompt_tokens"] += prompt_tokens
        row["completion_tokens"] += completion_tokens
    parts = runs.annotate(part=F("model"))
    for column, name in (("first_token_s", "first_token"), ("tokens_per_second", "speed")):
        for share, values in _ranked(parts, column).items():
            for model, value in values.items():
                rows[model][f"{name}_{share}"] = value
    for model, rating, number in ratings.values_list("message__runs__model", "rating").annotate(Count("id", distinct=True)):
        if model in rows:
            rows[model]["up" if rating > 0 else "down"] = number
    return sorted(rows.values(), key=lambda row: -row["runs"])
