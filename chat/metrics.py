"""`/metrics`: what the server does, in figures, for Prometheus. No text, no name and no address of anybody is among them."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import psutil
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest

from chat import sockets
from chat.identity import caller_of

Answer = HttpResponseBase | Awaitable[HttpResponseBase]
Figures = Sequence[tuple[str, str, str, Sequence[tuple[str, Mapping[str, str], float]]]]
"""Families: name, documentation, type, and samples of name, labels and value."""

REGISTRY = CollectorRegistry()
WAIT_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
TOKEN_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
REFUSAL = "Only this computer itself, or a request with the token of LLMSITE_METRICS_TOKEN, may read this.\n"
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

runs_ended = Counter("llmsite_runs", "Answers that are over.", ["model", "reason"], registry=REGISTRY)
prompt_tokens = Counter("llmsite_prompt_tokens", "Tokens of the prompts.", ["model"], registry=REGISTRY)
completion_tokens = Counter("llmsite_completion_tokens", "Tokens of the answers.", ["model"], registry=REGISTRY)
queue_s = Histogram("llmsite_queue_seconds", "From a message to the start of its answer.", ["model"], buckets=WAIT_S, registry=REGISTRY)
first_token_s = Histogram(
    "llmsite_first_token_seconds", "From the start of an answer to its first token.", ["model"], buckets=WAIT_S, registry=REGISTRY
)
token_s = Histogram("llmsite_token_seconds", "Time per token while one is decoded after the other.", ["model"], buckets=TOKEN_S, registry=REGISTRY)
total_s = Histogram("llmsite_answer_seconds", "From a message to the end of its answer.", ["model"], buckets=WAIT_S, registry=REGISTRY)
http_requests = Counter("llmsite_http_requests", "HTTP requests.", ["method", "route", "status"], registry=REGISTRY)

runs_running = Gauge("llmsite_runs_running", "Answers that are being written.", registry=REGISTRY)
runs_queued = Gauge("llmsite_runs_queued", "Answers that wait for their turn.", registry=REGISTRY)
open_sockets = Gauge("llmsite_sockets_open", "Open WebSockets.", registry=REGISTRY)
process_memory = Gauge("llmsite_process_memory_bytes", "Resident memory of the server process.", registry=REGISTRY)
model_memory = Gauge("llmsite_model_memory_bytes", "Memory of a loaded model.", ["model"], registry=REGISTRY)
model_state = Gauge("llmsite_model_state", "1 for the state that a model is in.", ["model", "state"], registry=REGISTRY)


def run_ended(model: str, reason: str, audit: Mapping[str, Any]) -> None:
    """A run is over; `audit` is what is stored of it (models.Run). Figures that it never came to are missing there."""
    model = model or "none"
    runs_ended.labels(model, reason).inc()
    prompt_tokens.labels(model).inc(audit.get("prompt_tokens") or 0)
    completion_tokens.labels(model).inc(audit.get("completion_tokens") or 0)
    for name, histogram in (("queue_s", queue_s), ("first_token_s", first_token_s), ("total_s", total_s)):
        if audit.get(name) is not None:
            histogram.labels(model).observe(audit[name])
    if audit.get("tokens_per_second"):
        token_s.labels(model).observe(1 / audit["tokens_per_second"])


class CountRequests:
    """Middleware: counts each request by the pattern of its address, never by the address: that would be a series per conversation."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        if iscoroutinefunction(self):
            return self._later(request)
        return _count(request, self.get_response(request))  # type: ignore[arg-type]

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        return _count(request, await self.get_response(request))  # type: ignore[misc]


def _count(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    method = request.method if request.method in METHODS else "other"
    http_requests.labels(method, _route(request), response.status_code).inc()
    return response


def _route(request: HttpRequest) -> str:
    if request.resolver_match is not None:
        return "/" + request.resolver_match.route
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"


def metrics(request: HttpRequest) -> HttpResponse:
    """For this computer, and for whoever shows LLMSITE_METRICS_TOKEN."""
    if not _may_read(request):
        return HttpResponse(REFUSAL, status=403, content_type="text/plain; charset=utf-8")
    runtime = request.scope.get("state", {}).get("runtime")  # type: ignore[attr-defined]
    return HttpResponse(written(runtime) if runtime is None else runtime.metrics(), content_type=CONTENT_TYPE_LATEST)


def written(runtime: Any) -> str:
    """The figures of this process as they are now, in Prometheus' text format."""
    look(runtime)
    return generate_latest(REGISTRY).decode()


def _may_read(request: HttpRequest) -> bool:
    if caller_of(request.scope).is_loopback:  # type: ignore[attr-defined]
        return True
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    token = settings.CONFIG.metrics_token
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())


def figures(runtime: Any) -> Figures:
    """The same as plain values, for another process."""
    look(runtime)
    return [
        (family.name, family.documentation, family.type, [(sample.name, dict(sample.labels), sample.value) for sample in family.samples])
        for family in REGISTRY.collect()
    ]


def together(processes: Mapping[str, Figures]) -> str:
    """The figures of a server's processes, each with its name as the label `process`."""
    families: dict[str, Metric] = {}
    for process, found in sorted(processes.items()):
        for name, documentation, kind, samples in found:
            family = families.setdefault(name, Metric(name, documentation, kind))
            for sample, labels, value in samples:
                family.add_sample(sample, {**labels, "process": process}, value)
    return generate_latest(_Collected(list(families.values()))).decode()  # type: ignore[arg-type]


class _Collected:
    """As `generate_latest` wants it."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def look(runtime: Any) -> None:
    """Set the gauges to how it is now. `runtime` is None in a process that serves no chat."""
    open_sockets.set(sockets.count())
    process_memory.set(psutil.Process().memory_info().rss)
    model_state.clear()
    model_memory.clear()
    if runtime is None:
        return
    live = list(runtime.runs.live.values())
    calls = list(runtime.calls.live.values())
    running = sum(run.log.start is not None for run in live) + sum(call.has_begun for call in calls)
    runs_running.set(running)
    runs_queued.set(len(live) + len(calls) - running)
    for model in runtime.models():
        model_state.labels(model["name"], model["state"]).set(1)
        info = runtime.pool.view(model["name"]).info if model["state"] == "ready" else None
        if info is not None and info.memory_bytes is not None:
            model_memory.labels(model["name"]).set(info.memory_bytes)
