"""Django's admin with our site: what llmsite.settings lists instead of django.contrib.admin."""

from __future__ import annotations

from importlib import import_module

from django.contrib.admin import apps

PAGES = ("conversations", "runs", "feedback", "people", "devices", "keys", "personas")


class AdminConfig(apps.AdminConfig):
    default_site = "chat.admin.site.Site"

    def ready(self) -> None:
        super().ready()
        for page in PAGES:
            import_module(f"chat.admin.{page}")
        import_module("chat.admin.names").give()
