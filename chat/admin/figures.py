"""What the statistics page shows, counted by the database: no run is ever loaded.

Times are cut into stretches of equal length, aligned to the admin's clock. A percentile is the nearest rank: the smallest value that at least so
many of all are not above.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Count, F, Func, Min, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
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
SHARES = {"p50": 5, "p90": 9}
"""Of ten."""
SUMS: dict[str, Any] = {
    "runs": Count("*"),
    "prompts": Coalesce(Sum("prompt_tokens"), 0),
    "answers": Coalesce(Sum("completion_tokens"), 0),
    "first_s": Coalesce(Sum("first_token_s"), 0.0),
    "firsts": Count("first_token_s"),
    "speed_sum": Coalesce(Sum("tokens_per_second"), 0.0),
    "speeds": Count("tokens_per_second"),
}
"""What is added up for each stretch, model and finish reason; the rows have these columns behind those three."""
RUNS, PROMPTS, ANSWERS, FIRSTS, SPEEDS = (3 + list(SUMS).index(name) for name in ("runs", "prompts", "answers", "firsts", "speeds"))


class Stretch(Func):
    """The number of the stretch of time that a moment is in. Django's own Trunc calls Python for each row under SQLite: a second for 50,000 runs."""

    output_field = BigIntegerField()

    def __init__(self, moment: str, cut: Cut) -> None:
        super().__init__(F(moment))
        self.cut = cut

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        moment, parameters = compiler.compile(self.source_expressions[0])
        offset, width = int(self.cut.offset), int(self.cut.width)
        if connection.vendor == "sqlite":
            return f"((CAST(strftime('%%s', {moment}) AS INTEGER) + {offset}) / {width})", list(parameters)
        return f"CAST(FLOOR((EXTRACT(EPOCH FROM {moment}) + {offset}) / {width}) AS BIGINT)", list(parameters)


@dataclass(frozen=True)
class Cut:
    """How time is cut: `width` seconds a stretch, counted from the epoch of a clock that is `offset` seconds ahead of UTC."""

    since: datetime | None
    width: int
    offset: int

    def number(self, moment: datetime) -> int:
        return (int(moment.timestamp()) + self.offset) // self.width


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
        # Not `model=`: that would be answered from the index by model, which has not all that is asked for here.
        runs = runs.annotate(name=Coalesce("model", Value(""))).filter(name=model)
    counted = list(runs.annotate(stretch=Stretch("created_at", cut)).values_list("stretch", "model", "finish_reason").annotate(**SUMS))
    rated = ratings.annotate(stretch=Stretch("updated_at", cut)).values_list("stretch", "rating", "message__runs__model")
    thumbs = [row for row in rated.annotate(Count("id", distinct=True)) if not model or row[2] == model]
    numbers = _numbers([row[0] for row in counted] + [row[0] for row in thumbs], cut, now)
    found = Figures([number * cut.width for number in numbers], cut.width)
    _count(found, counted, numbers)
    found.ratings = {rating: _line(numbers, _sum([row for row in thumbs if row[1] == rating], 3), 0) for rating in (1, -1)}
    found.first_token = _percentiles(runs, "first_token_s", _sum(counted, FIRSTS), cut, numbers)
    found.speed = _percentiles(runs, "tokens_per_second", _sum(counted, SPEEDS), cut, numbers)
    found.models = _models(thumbs, counted)
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


def _count(found: Figures, counted: list[tuple[Any, ...]], numbers: list[int]) -> None:
    often, ended = Counter[str](), Counter[str]()
    for row in counted:
        often[row[1]] += row[RUNS]
        ended[row[2]] += row[RUNS]
    found.by_reason = {name: _line(numbers, _sum([row for row in counted if row[2] == name], RUNS), 0) for name, _ in ended.most_common()}
    models = [name for name, _ in often.most_common(MOST_MODELS)]
    found.by_model = {name: _line(numbers, _sum([row for row in counted if row[1] == name], RUNS), 0) for name in models}
    found.tokens = {"prompt": _line(numbers, _sum(counted, PROMPTS), 0), "completion": _line(numbers, _sum(counted, ANSWERS), 0)}
    found.runs, found.prompt_tokens, found.completion_tokens = (sum(row[column] for row in counted) for column in (RUNS, PROMPTS, ANSWERS))


def _line(numbers: list[int], values: dict[int, Any], empty: Any) -> list[Any]:
    return [values.get(number, empty) for number in numbers]


def _sum(rows: list[tuple[Any, ...]], column: int) -> dict[int, int]:
    """A column of rows that begin with their stretch, added up for each stretch."""
    found: dict[int, int] = defaultdict(int)
    for row in rows:
        found[row[0]] += row[column]
    return found


def _percentiles(runs: QuerySet[Run], column: str, counts: dict[int, int], cut: Cut, numbers: list[int]) -> dict[str, list[float | None]]:
    """`counts`: how many of the values there are in each stretch, so that the database needs to rank only, and gives two values for a stretch.
    Written as SQL: the ORM would compute the stretch again for each place where it is named."""
    known = runs.filter(**{f"{column}__isnull": False}).annotate(stretch=Stretch("created_at", cut), value=F(column)).values_list("stretch", "value")
    inner, parameters = known.query.sql_with_params()
    places = {name: {stretch: -(-count * share // 10) for stretch, count in counts.items() if count} for name, share in SHARES.items()}
    wanted = sorted({place for of_share in places.values() for place in of_share.items()})
    if not wanted:
        return {name: _line(numbers, {}, None) for name in SHARES}
    pairs = ", ".join(f"({int(stretch)}, {int(place)})" for stretch, place in wanted)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT stretch, place, value FROM (
                SELECT stretch, value, ROW_NUMBER() OVER (PARTITION BY stretch ORDER BY value) AS place FROM ({inner}) AS known
                ) AS ranked WHERE (stretch, place) IN (VALUES {pairs})""",
            parameters,
        )
        values = {(stretch, place): value for stretch, place, value in cursor.fetchall()}
    return {name: _line(numbers, {part: values.get((part, place)) for part, place in of.items()}, None) for name, of in places.items()}


def _models(thumbs: list[tuple[Any, ...]], counted: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """A row for each model: what the table at the end of the page shows. Means, because the percentiles of one model are in its plots."""
    rows: dict[str, dict[str, Any]] = {}
    for _, model, reason, *sums in counted:
        row = rows.setdefault(model, {"model": model, "errors": 0, "up": 0, "down": 0} | dict.fromkeys(SUMS, 0))
        for name, value in zip(SUMS, sums, strict=True):
            row[name] += value
        row["errors"] += sums[0] if reason == Run.FinishReason.ERROR else 0
    for _, rating, model, number in thumbs:
        if model in rows:
            rows[model]["up" if rating > 0 else "down"] += number
    for row in rows.values():
        row["first_token"] = row["first_s"] / row["firsts"] if row["firsts"] else None
        row["speed"] = row["speed_sum"] / row["speeds"] if row["speeds"] else None
    return sorted(rows.values(), key=lambda row: -row["runs"])
