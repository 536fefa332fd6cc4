"""/admin/statistics/: what the server has done, in plots with the same figures as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from chat.admin.figures import DAY, RANGES, Figures, figures
from chat.admin.filters import models
from chat.admin.lists import number, seconds
from chat.admin.names import REASONS

RANGE_NAMES = {"24h": _("24 hours"), "7d": _("7 days"), "30d": _("30 days"), "all": _("everything")}


def page(request: HttpRequest) -> HttpResponse:
    """`?range=` one of RANGES, `?model=` a model's name."""
    if not request.user.has_perm("chat.view_run"):
        raise PermissionDenied
    names = models()
    range_ = request.GET.get("range", "7d")
    range_ = range_ if range_ in RANGES else "7d"
    model = request.GET.get("model", "")
    model = model if model in names else ""
    found = figures(range_, model)
    plots = _plots(found)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Statistics"),
        "ranges": [(label, "?" + urlencode({"range": name, "model": model}), name == range_) for name, label in RANGE_NAMES.items()],
        "range": range_,
        "models": names,
        "model": model,
        "totals": _totals(found),
        "plots": plots,
        "data": {"times": found.times, "from": gettext("from"), "days": found.width >= DAY, "plots": [_drawn(plot) for plot in plots]},
        "rows": [_model_row(row) for row in found.models],
        "servers": _servers(request),
    }
    return TemplateResponse(request, "admin/chat/statistics.html", context)


def _servers(request: HttpRequest) -> list[dict[str, Any]]:
    """How the servers behind the models are now. Their addresses are for whoever runs the server, not for all who may read."""
    runtime = getattr(request, "scope", {}).get("state", {}).get("runtime")
    if runtime is None or not request.user.is_superuser:  # type: ignore[union-attr]
        return []
    found: list[dict[str, Any]] = runtime.backends(get_language() or "en")
    return [{**one, "since": datetime.fromtimestamp(one["since"], tz=UTC) if one["since"] else None} for one in found]


def _totals(found: Figures) -> list[tuple[str, str]]:
    up, down = (sum(found.ratings[rating]) for rating in (1, -1))
    return [
        (gettext("runs"), f"{found.runs:,}"),
        (gettext("prompt tokens"), f"{found.prompt_tokens:,}"),
        (gettext("completion tokens"), f"{found.completion_tokens:,}"),
        (gettext("rated up"), f"{up:,}"),
        (gettext("rated down"), f"{down:,}"),
    ]


def _plots(found: Figures) -> list[dict[str, Any]]:
    """Each with its name, its unit, its lines, and the rows of its table."""
    reasons = {str(REASONS.get(reason) or gettext("not ended")): line for reason, line in found.by_reason.items()}
    by_model = {name or gettext("not begun"): line for name, line in found.by_model.items()}
    tokens = {gettext("prompt"): found.tokens["prompt"], gettext("answer"): found.tokens["completion"]}
    thumbs = {gettext("up"): found.ratings[1], gettext("down"): found.ratings[-1]}
    plots = [
        _plot("reasons", gettext("Runs by finish reason"), gettext("runs"), reasons, found),
        _plot("models", gettext("Runs by model"), gettext("runs"), by_model, found),
        _plot("tokens", gettext("Prompts and answers"), gettext("tokens"), tokens, found),
        _plot("first", gettext("Time to the first token, p50 and p90"), gettext("seconds"), found.first_token, found),
        _plot("speed", gettext("Speed of an answer, p50 and p90"), gettext("tokens/s"), found.speed, found),
        _plot("ratings", gettext("Thumbs"), gettext("ratings"), thumbs, found),
    ]
    return [plot for plot in plots if any(value for _, line in plot["series"] for value in line)]


def _plot(name: str, title: str, unit: str, lines: dict[str, list[Any]], found: Figures) -> dict[str, Any]:
    rows = []
    for place, time in enumerate(found.times):
        values = [line[place] for line in lines.values()]
        if any(values):
            rows.append((_clock(time, found.width), [number(round(v, 3) if isinstance(v, float) else v) for v in values]))
    return {"id": name, "title": title, "unit": unit, "series": list(lines.items()), "rows": rows[::-1]}


def _drawn(plot: dict[str, Any]) -> dict[str, Any]:
    """What the script needs of it."""
    return {"id": plot["id"], "unit": plot["unit"], "series": [{"label": label, "values": values} for label, values in plot["series"]]}


def _clock(time: int, width: int) -> str:
    """`time` counts on the admin's clock, so it is read as if it were UTC."""
    return datetime.fromtimestamp(time, tz=UTC).strftime("%Y-%m-%d" if width >= DAY else "%Y-%m-%d %H:%M")


def _model_row(row: dict[str, Any]) -> list[str]:
    return [
        row["model"] or gettext("not begun"),
        f"{row['runs']:,}",
        f"{row['errors']:,}",
        f"{row['prompts']:,}",
        f"{row['answers']:,}",
        seconds(row["first_token"]),
        number(row["speed"]),
        str(row["up"]),
        str(row["down"]),
    ]
