from __future__ import annotations

from django.urls import path

from chat import pages
from chat.api.router import urlpatterns as api
from chat.health import healthz
from chat.metrics import metrics
from chat.v1.views import urlpatterns as v1
from chat.views import index

urlpatterns = [
    path("", index, name="index"),
    path("pair/", pages.pair, name="pair"),
    path("pair/now/", pages.now),
    path("pair/device/", pages.device),
    path("pair/key/", pages.key),
    path("pair/wifi/", pages.join),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    *api,
    *v1,
]
