"""The admin as a whole: its name, and the statistics beside the lists."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Site(admin.AdminSite):
    site_header = site_title = "llmsite"
    index_title = _("What was asked and answered on this computer")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from chat.admin.statistics import page  # late: Django makes the site before the models are there

        return [path("statistics/", self.admin_view(page), name="statistics"), *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """Chat first, because it is what one comes for; the statistics stand in it like a list."""
        found = super().get_app_list(request, app_label)
        for app in found:
            if app["app_label"] == "chat" and request.user.has_perm("chat.view_run"):
                app["models"].append(_statistics())
        return sorted(found, key=lambda app: app["app_label"] != "chat")


def _statistics() -> dict[str, Any]:
    return {
        "model": None,
        "name": gettext("Statistics"),
        "object_name": "Statistics",
        "perms": {"view": True},
        "admin_url": reverse("admin:statistics"),
        "add_url": None,
        "view_only": True,
    }
