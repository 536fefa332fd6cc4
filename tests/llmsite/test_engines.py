from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from django.conf import settings

from inference.errors import ModelNotFound
from inference.fake import FakeEngine
from inference.openai_engine import OpenAIEngine
from inference.transformers_engine import TransformersEngine
from llmsite.config import ModelConfig
from llmsite.engines import build_engine


def config(model: str, **models: ModelConfig) -> object:
    return dataclasses.replace(settings.CONFIG, model=model, models=models)


def test_the_kinds() -> None:
    remote = ModelConfig(name="remote", engine="openai", base_url="http://127.0.0.1:1/v1", model="m", sampling={"stop": ["x"], "top_p": 0.5})
    assert isinstance(build_engine(config("remote", remote=remote)), OpenAIEngine)  # type: ignore[arg-type]
    assert isinstance(build_engine(config("fake")), FakeEngine)  # type: ignore[arg-type]


def test_a_folder_is_told_by_its_last_part(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    engine = build_engine(config(str(folder)))  # type: ignore[arg-type]
    assert isinstance(engine, TransformersEngine)
    assert engine._name == "my-model"


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no model nobody/nothing"):
        build_engine(config("nobody/nothing"))  # type: ignore[arg-type]
