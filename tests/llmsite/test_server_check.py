"""`manage.py models check` and `list` of a model that is computed elsewhere."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from typing import Any

import pytest

from llmsite.config import BackendConfig, ModelConfig
from llmsite.serve import words
from tests.inference.openai_standin import StandIn, refusal
from tests.llmsite.test_models_command import run

KEY = "sk-0123456789-never-to-be-seen"


def remote(settings: Any, **more: Any) -> None:
    model = ModelConfig(name="far", engine="openai", model="m-1", **more)
    settings.CONFIG = dataclasses.replace(settings.CONFIG, models={"far": model})


def nobody() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


async def check() -> tuple[int, str, str]:
    return await asyncio.to_thread(run, "check", "far")


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LC_ALL", "C")
    words.language.cache_clear()
    yield
    words.language.cache_clear()


async def test_one_server(settings: Any) -> None:
    async with StandIn() as server:
        remote(settings, base_url=server.url)
        code, out, _ = await check()
        assert (code, out.splitlines()) == (
            0,
            [f"far is m-1 at {server.url}: nothing is loaded on this computer.", f"far  {server.url}  answers"],
        )
        assert server.requests == [], "a check costs no tokens"
    code, out, _ = await check()
    assert code == 1
    assert out.splitlines()[1] == f"far  {server.url}  does not answer: The model server at {server.url} cannot be reached."


async def test_several_servers_one_by_one_and_no_key_is_shown(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    async with StandIn() as good, StandIn() as strict:
        strict.models = refusal(401, {"error": {"message": f"bad key {KEY}"}})
        backends = (BackendConfig(good.url, "left"), BackendConfig(strict.url, "right", api_key_env="FAR_KEY"), BackendConfig(nobody(), "off"))
        remote(settings, backends=backends)
        assert "llmsite.toml: m-1 at left, right, off" in run("list")[1]
        code, out, err = await check()
        assert code == 0, "one is enough"
        _, left, right, off = out.splitlines()
        assert left == f"left  {good.url}  answers"
        assert right == f"right  {strict.url}  does not answer: The model server at {strict.url} refused the key in FAR_KEY."
        assert off.endswith("cannot be reached.")
        assert KEY not in out + err
        monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
        words.language.cache_clear()
        assert (await check())[1].splitlines()[1:3] == [
            f"left  {good.url}  可用",
            f"right  {strict.url}  无法回答: 模型服务器 {strict.url} 不接受 FAR_KEY 里的密钥。",
        ]


async def test_what_the_owner_must_mend_first(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAR_KEY", raising=False)
    remote(settings, backends=(BackendConfig("http://127.0.0.1:1/v1", "a"), BackendConfig("http://127.0.0.1:2/v1", "b", api_key_env="FAR_KEY")))
    code, _, err = await check()
    assert code == 1
    assert "set the environment variable FAR_KEY" in err
