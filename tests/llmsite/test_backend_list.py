from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from inference.errors import BackendUnreachable
from inference.types import BackendView
from llmsite.backend_list import backend_list
from llmsite.config import BackendConfig, ModelConfig

BOTH = ModelConfig(
    name="both",
    engine="openai",
    model="m",
    backends=(BackendConfig("http://left:1/v1", name="left", max_streams=3), BackendConfig("http://right:1/v1", name="right")),
)
ONE = ModelConfig(name="one", engine="openai", model="m", base_url="http://far:1/v1")
UP = BackendView("left", "http://left:1/v1", "up", 2, 3, 1.0, 1000.0)
DOWN = BackendView("right", "http://right:1/v1", "down", 0, 8, 1.0, 1010.0, 7.5, "backend_unreachable", "said", {"url": "http://right:1/v1"})


def pool(error: Exception | None = None, **ready: Any) -> Any:
    return SimpleNamespace(
        models=lambda: {"one": ONE, "both": BOTH}, ready=lambda: ready, view=lambda name: SimpleNamespace(error=error if name == "both" else None)
    )


def test_servers_that_are_asked_say_how_they_are() -> None:
    """A model on one server, and a local one, have none to choose from."""
    engines = {"both": SimpleNamespace(info=SimpleNamespace(backends=(UP, DOWN))), "one": SimpleNamespace(info=SimpleNamespace(backends=()))}
    left, right = backend_list(pool(**engines))
    assert left == {
        "model": "both",
        "name": "left",
        "url": "http://left:1/v1",
        "state": "up",
        "said": "answers",
        "why": "",
        "running": 2,
        "max_streams": 3,
        "since": 1000.0,
        "retry_s": None,
    }
    assert (right["state"], right["said"], right["since"], right["retry_s"]) == ("down", "does not answer", 1010.0, 7.5)
    assert backend_list(pool(**engines), "zh-hans")[1]["why"] == "连不上模型服务器 http://right:1/v1。"


@pytest.mark.parametrize(
    ("error", "state", "said", "why"),
    [
        (None, "unasked", "尚未使用", ""),
        (BackendUnreachable(url="http://left:1/v1"), "down", "无法回答", "连不上模型服务器 http://left:1/v1。"),
    ],
)
def test_servers_that_nobody_asks(error: Exception | None, state: str, said: str, why: str) -> None:
    found = backend_list(pool(error), "zh-hans")
    assert [(one["name"], one["state"], one["said"], one["why"]) for one in found] == [("left", state, said, why), ("right", state, said, why)]
    assert [(one["max_streams"], one["running"], one["since"]) for one in found] == [(3, 0, None), (None, 0, None)]
