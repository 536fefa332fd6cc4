from __future__ import annotations

from django.urls import path

from chat.api.router import urlpatterns as api
from chat.health import healthz
from chat.metrics import metrics
from chat.pages import pair
from chat.views import index

urlpatterns = [
    path("", index, name="index"),
    path("pair/", pair, name="pair"),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    *api,
]
