from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from inference.adapter_engine import AdapterEngine
from inference.balanced_engine import BalancedEngine
from inference.errors import CannotAdapt, ModelNotFound
from inference.fake import FakeEngine
from inference.openai_engine import OpenAIEngine
from inference.transformers_engine import TransformersEngine
from llmsite.config import BackendConfig, ModelConfig
from llmsite.engines import build_adapter, build_engine, default_model, folder_of, known_models
from tests.llmsite.test_models_command import TINY, put


def config(model: str, **models: ModelConfig) -> Any:
    return dataclasses.replace(settings.CONFIG, model=model, models=models)


@pytest.fixture
def place(tmp_path: Path) -> Any:
    """A configuration whose folders hold the embedded model and a downloaded one."""
    put(tmp_path / "models" / "micromind", TINY, 100)
    put(tmp_path / "data" / "models" / "Owner--Small", TINY, 100)
    return dataclasses.replace(settings.CONFIG, root=tmp_path, data=tmp_path / "data", model="micromind", models={})


def names(config: Any, **changes: Any) -> list[str]:
    return list(known_models(dataclasses.replace(config, **changes)))


def test_there_are_the_embedded_the_downloaded_and_the_named_ones_and_the_default_is_the_first(place: Any) -> None:
    table = {"far": ModelConfig(name="far", engine="openai", base_url="http://x/v1", model="m")}
    assert names(place) == ["micromind", "Owner/Small"]
    assert names(place, models=table) == ["micromind", "far", "Owner/Small"]
    assert names(place, models=table, model="far") == ["far", "micromind", "Owner/Small"]
    assert names(place, model="fake") == ["fake", "micromind", "Owner/Small"]


def test_a_model_is_there_once_whatever_it_is_called(place: Any) -> None:
    for asked in ("Owner/Small", "small", str(place.models_dir / "Owner--Small")):
        assert names(place, model=asked) == ["Owner/Small", "micromind"]
    assert names(place, model=str(place.embedded_model)) == ["micromind", "Owner/Small"]


def test_a_table_wins_over_a_folder_of_its_name(place: Any) -> None:
    own = ModelConfig(name="micromind", path="micromind", sampling={"temperature": 0.1})
    assert known_models(dataclasses.replace(place, models={"micromind": own}))["micromind"] is own


def test_another_folder_of_the_same_name_gets_a_name_of_its_own(place: Any, tmp_path: Path) -> None:
    folder = put(tmp_path / "elsewhere" / "micromind", TINY, 100)
    assert names(place, model=str(folder)) == ["micromind (default)", "micromind", "Owner/Small"]


def test_a_default_that_is_not_there_has_a_name_that_tells_no_path(place: Any, tmp_path: Path) -> None:
    assert default_model(dataclasses.replace(place, model=str(tmp_path / "gone"))).name == "gone"
    assert default_model(dataclasses.replace(place, model="nobody/nothing")).name == "nobody/nothing"


def test_the_kinds() -> None:
    remote = ModelConfig(name="remote", engine="openai", base_url="http://127.0.0.1:1/v1", model="m", sampling={"stop": ["x"], "top_p": 0.5})
    assert isinstance(build_engine(config("remote", remote=remote)), OpenAIEngine)
    assert isinstance(build_engine(config("fake")), FakeEngine)


def test_a_folder_is_told_by_its_last_part(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    engine = build_engine(config(str(folder)))
    assert isinstance(engine, TransformersEngine)
    assert engine._name == "my-model"


def test_a_named_one_is_built_by_its_name(place: Any) -> None:
    fake = build_engine(place, ModelConfig(name="second", engine="fake", context_window=99))
    assert isinstance(fake, FakeEngine)
    assert (fake._info.name, fake._info.context_window) == ("second", 99)
    downloaded = build_engine(place, known_models(place)["Owner/Small"])
    assert isinstance(downloaded, TransformersEngine)
    assert downloaded._path == (place.models_dir / "Owner--Small").resolve()


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no model nobody/nothing"):
        build_engine(config("nobody/nothing"))


def test_several_servers_are_one_engine() -> None:
    backends = (BackendConfig("http://127.0.0.1:1/v1", "a", weight=2.0, max_streams=3), BackendConfig("http://127.0.0.1:2/v1", "b", model="other"))
    engine = build_engine(config("big", big=ModelConfig(name="big", engine="openai", model="m", backends=backends)))
    assert isinstance(engine, BalancedEngine)
    assert [(v.name, v.weight, v.max_streams) for v in engine.views()] == [("a", 2.0, 3), ("b", 1.0, 16)]


def test_an_adapter_is_built_on_its_base(place: Any) -> None:
    adapter = ModelConfig(name="cook", path="lora/adapter", base="Owner/Small")
    (place.models_dir / "lora" / "adapter").mkdir(parents=True)
    base = build_engine(place, known_models(place)["Owner/Small"])
    engine = build_adapter(place, adapter, base)
    assert isinstance(engine, AdapterEngine)
    assert (engine._base, engine._path, engine._name) == (base, place.models_dir / "lora" / "adapter", "cook")
    assert folder_of(place, adapter) == folder_of(place, known_models(place)["Owner/Small"])
    with pytest.raises(CannotAdapt, match="cook cannot be served on Owner/Small: its weights are not here"):
        build_adapter(place, adapter, FakeEngine(name="Owner/Small"))
