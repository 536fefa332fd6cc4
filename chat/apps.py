from django.apps import AppConfig
from django.core.signals import request_finished


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat import presence  # models are known only now

        request_finished.connect(presence.write)
