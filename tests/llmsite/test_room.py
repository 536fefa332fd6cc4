from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings

from inference import hardware
from inference.fake import FakeEngine
from inference.hardware import Gpu, Hardware
from inference.types import ChatMessage, Finish, GenerationRequest, Sampling
from llmsite.config import Config, ModelConfig
from llmsite.engines import build_engine
from llmsite.pool import EnginePool
from llmsite.room import bytes_needed, give_back, room_for
from tests.inference.tiny_models import save_model
from tests.llmsite.test_models_command import BYTES_7B, QWEN_7B, put

GIB = 1024**3
LAPTOP = Hardware(gpu=None, unused_gpu=None, ram_total=16 * GIB, ram_free=12 * GIB, shared_memory=False, bf16=False)


class Loaded(FakeEngine):
    def __init__(self, memory_bytes: int) -> None:
        super().__init__()
        self._info = dataclasses.replace(self._info, memory_bytes=memory_bytes)
        self._ready = True


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return dataclasses.replace(settings.CONFIG, root=tmp_path, data=tmp_path / "data", models={})


@pytest.fixture
def model(tmp_path: Path) -> ModelConfig:
    return ModelConfig(name="7b", path=str(put(tmp_path / "7b", QWEN_7B, BYTES_7B)), context_window=8192)


def test_what_a_model_needs_is_its_weights_and_a_full_conversation(config: Config, model: ModelConfig) -> None:
    cache = 8192 * 28 * 2 * 4 * 128
    assert bytes_needed(config, model, LAPTOP) == (2 * BYTES_7B, cache * 4), "a processor without bfloat16 takes 32 bits"
    gpu = dataclasses.replace(LAPTOP, gpu=Gpu("some", 24 * GIB, 20 * GIB))
    assert bytes_needed(config, model, gpu) == (BYTES_7B, cache * 2)
    on_cpu = dataclasses.replace(model, device="cpu", dtype="bf16")
    assert bytes_needed(config, on_cpu, gpu) == (BYTES_7B, cache * 2)


@pytest.mark.parametrize(
    ("free", "loaded", "room"),
    [
        (40, [], "fits"),
        (40, [9], "fits"),
        (30, [1, 8], "short"),
        (31, [1], "short"),
        (30, [1], "never"),
        (30, [], "never"),
    ],
)
def test_whether_there_is_room(config: Config, model: ModelConfig, monkeypatch: pytest.MonkeyPatch, free: int, loaded: list[int], room: str) -> None:
    monkeypatch.setattr(hardware, "look", lambda: dataclasses.replace(LAPTOP, ram_free=free * GIB))
    assert room_for(config, model, [Loaded(size * GIB) for size in loaded]) == room


def test_a_model_for_the_gpu_is_measured_there(config: Config, model: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "look", lambda: dataclasses.replace(LAPTOP, ram_free=99 * GIB, gpu=Gpu("some", 24 * GIB, 10 * GIB)))
    assert room_for(config, model, [Loaded(9 * GIB)]) == "short"
    assert room_for(config, dataclasses.replace(model, device="cpu"), [Loaded(9 * GIB)]) == "fits"


class Growing(Loaded):
    cache_bytes = 10 * GIB

    def share_cache(self, models: int) -> None: ...


def test_what_the_caches_of_the_others_may_grow_to_is_not_free(config: Config, model: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "look", lambda: dataclasses.replace(LAPTOP, ram_free=36 * GIB))
    assert room_for(config, model, [Loaded(9 * GIB)]) == "fits"
    assert room_for(config, model, [Growing(9 * GIB)]) == "short", "each of two will get half of what one has"


def test_one_that_may_lie_on_the_disk_gets_what_there_is(config: Config, model: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "look", lambda: LAPTOP)
    assert room_for(config, dataclasses.replace(model, offload=True), [Loaded(1 * GIB)]) == "short"


@pytest.mark.parametrize("raw", [{}, {"num_hidden_layers": "many"}, []])
def test_of_what_cannot_be_judged_the_loading_will_say_what_is_wrong(config: Config, tmp_path: Path, raw: Any) -> None:
    folder = put(tmp_path / "odd", {}, 10)
    (folder / "config.json").write_text(json.dumps(raw))
    assert room_for(config, ModelConfig(name="odd", path=str(folder)), []) == "fits"
    assert room_for(config, ModelConfig(name="gone", path="no/where"), []) == "fits"
    assert room_for(config, ModelConfig(name="far", engine="openai"), []) == "fits"


# What the system says of this process: the only proof that memory came back.

SIZES: dict[str, Any] = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8}
ABOUT_BYTES = 4 * 8 * (3 * 512 * 2048 + 4 * 512 * 512)


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


async def test_an_unloaded_model_gives_its_memory_back(config: Config, tmp_path: Path) -> None:
    models = {}
    for seed, name in enumerate(("one", "other")):
        folder = save_model(tmp_path / name, "llama", seed=seed, **SIZES)
        models[name] = ModelConfig(name=name, path=str(folder), dtype="fp32", context_window=512)
    pool = EnginePool(lambda: models, lambda model: build_engine(config, model), keep=1)

    async def answer(name: str) -> int:
        async with pool.use(name) as engine:
            prompt = await engine.prepare(GenerationRequest("1", (ChatMessage("user", "Hello"),), Sampling(max_tokens=8, temperature=0)))
            *_, last = [event async for event in engine.stream(prompt)]
            assert isinstance(last, Finish)
        return resident()

    await answer("one")  # torch and transformers stay
    await answer("other")
    after = [await answer(name) for name in ("one", "other", "one")]
    assert max(after) - min(after) < 0.5 * ABOUT_BYTES, f"{[size >> 20 for size in after]} MB with one of two models, in turns"
    with_one = resident()
    await pool.close()
    give_back()
    assert with_one - resident() > 0.7 * ABOUT_BYTES, f"{with_one >> 20} MB with a model, {resident() >> 20} without, of {ABOUT_BYTES >> 20}"
