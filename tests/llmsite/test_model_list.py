from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from inference.fake import FakeEngine
from inference.types import SAMPLING_NAMES
from llmsite.config import ModelConfig
from llmsite.engines import known_models
from llmsite.model_list import model_list
from llmsite.pool import EnginePool
from tests.llmsite.test_models_command import TINY, put

ALL = list(SAMPLING_NAMES)


@pytest.fixture
def place(tmp_path: Path, settings: Any) -> Any:
    embedded = put(tmp_path / "models" / "micromind", {**TINY, "max_position_embeddings": 1024}, 100)
    (embedded / "chat_template.jinja").write_text("{% if enable_thinking %}<think>{% endif %}")
    (embedded / "generation_config.json").write_text(json.dumps({"temperature": 0.6, "eos_token_id": 2}))
    plain = put(tmp_path / "data" / "models" / "Owner--Plain", TINY, 100)
    (plain / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (tmp_path / "data" / "models" / "broken--one").mkdir()
    (tmp_path / "data" / "models" / "half--done.part").mkdir()
    tables = {
        "far": ModelConfig(
            name="far", engine="openai", base_url="http://10.0.0.9/v1", model="m", parameters=("top_k",), sampling={"top_k": 3}, context_window=9000
        ),
        "warm": ModelConfig(name="warm", path="micromind", sampling={"temperature": 1.2}, context_window=512),
        "lost": ModelConfig(name="lost", path=str(tmp_path / "somewhere" / "lost")),
    }
    settings.CONFIG = dataclasses.replace(settings.CONFIG, root=tmp_path, data=tmp_path / "data", model="micromind", models=tables)
    return settings.CONFIG


def pool_of(config: Any) -> EnginePool:
    return EnginePool(lambda: known_models(config), lambda model: FakeEngine(name=model.name))


def shown(config: Any, pool: EnginePool, language: str = "en") -> dict[str, dict[str, Any]]:
    return {model["name"]: model for model in model_list(config, pool, language)}


def test_what_is_not_loaded_is_told_from_its_files(place: Any) -> None:
    models = shown(place, pool_of(place))
    assert models["micromind"] == {
        "name": "micromind",
        "default": True,
        "state": "idle",
        "progress": None,
        "remote": False,
        "context_window": 1024,
        "parameters": ALL,
        "sampling": {"temperature": 0.6},
        "thinking": True,
        "why": "",
    }
    assert (models["warm"]["context_window"], models["warm"]["sampling"]) == (512, {"temperature": 1.2})
    assert (models["Owner/Plain"]["thinking"], models["Owner/Plain"]["context_window"]) == (False, 32768)
    assert "thinking" not in models["Owner/Plain"]["parameters"]
    far = models["far"]
    assert (far["remote"], far["state"], far["context_window"], far["sampling"]) == (True, "idle", 9000, {"top_k": 3})
    assert far["parameters"] == ["max_tokens", "temperature", "top_p", "top_k", "seed", "stop"]
    assert [name for name, model in models.items() if model["default"]] == ["micromind"]


async def test_what_has_run_tells_of_itself(place: Any) -> None:
    pool = pool_of(place)
    async with pool.use("warm"):
        model = shown(place, pool)["warm"]
    assert (model["state"], model["context_window"], model["sampling"]["max_tokens"]) == ("ready", 4096, 1024)
    await pool.close()


def test_what_cannot_be_loaded_says_why_and_not_where(place: Any, tmp_path: Path) -> None:
    models = shown(place, pool_of(place))
    assert (models["broken/one"]["state"], models["lost"]["state"]) == ("failed", "failed")
    assert models["lost"]["why"].startswith("There is no model at lost.")
    assert "没有模型" in shown(place, pool_of(place), "zh-hans")["lost"]["why"]
    assert str(tmp_path) not in json.dumps(models)
    assert "10.0.0.9" not in json.dumps(models)


async def test_a_loading_that_failed_says_why_and_not_where(place: Any, tmp_path: Path) -> None:
    from llmsite.engines import build_engine

    pool = EnginePool(lambda: known_models(place), lambda model: build_engine(place, model))
    with pytest.raises(Exception, match=r"tokenizer is missing|no safetensors file"):
        async with pool.use("Owner/Plain"):
            pass
    model = shown(place, pool)["Owner/Plain"]
    assert model["state"] == "failed"
    assert model["why"].startswith("The model in Owner/Plain cannot be loaded: ")
    assert str(tmp_path) not in json.dumps(model)
    await pool.close()


def test_the_command_lists_the_same_models(place: Any) -> None:
    out = io.StringIO()
    call_command("models", "list", stdout=out, no_color=True)
    listed = {line[2:].split("  ")[0] for line in out.getvalue().splitlines() if not line.startswith("* is") and "not finished" not in line}
    assert listed == set(shown(place, pool_of(place)))
