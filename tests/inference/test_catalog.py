"""Which models are here, and what a name means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.catalog import UnknownModel, folder_name, found_models, is_hub_name, resolve, unfinished_downloads
from inference.errors import ModelNotFound


def put(folder: Path, size: int = 10) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    (folder / "model.safetensors").write_bytes(bytes(size))
    return folder


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """(models folder, embedded model)"""
    models = tmp_path / "data" / "models"
    put(models / "Qwen--Qwen3-0.6B", 30)
    put(models / "deepseek-ai--R1-1.5B", 20)
    put(models / "gpt2", 5)
    (models / "half--done.part").mkdir()
    (models / ".half--done.part.lock").touch()
    (models / "empty--folder").mkdir()
    return models, put(tmp_path / "models" / "micromind", 7)


def test_what_is_here(places: tuple[Path, Path]) -> None:
    found = found_models(*places)
    assert [(m.name, m.source, m.weight_bytes, bool(m.broken)) for m in found] == [
        ("micromind", "embedded", 7, False),
        ("deepseek-ai/R1-1.5B", "downloaded", 20, False),
        ("empty/folder", "downloaded", 0, True),
        ("gpt2", "downloaded", 5, False),
        ("Qwen/Qwen3-0.6B", "downloaded", 30, False),
    ]
    assert unfinished_downloads(places[0]) == ["half/done"]


def test_nothing_is_here(tmp_path: Path) -> None:
    assert found_models(tmp_path / "none", tmp_path / "micromind") == []
    assert unfinished_downloads(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Qwen/Qwen3-0.6B", "Qwen--Qwen3-0.6B"),
        ("qwen/qwen3-0.6b", "Qwen--Qwen3-0.6B"),
        ("Qwen3-0.6B", "Qwen--Qwen3-0.6B"),
        ("gpt2", "gpt2"),
    ],
)
def test_downloaded_models_by_name(places: tuple[Path, Path], name: str, folder: str) -> None:
    assert resolve(name, *places) == places[0] / folder


def test_the_embedded_model_by_name_and_folders_by_path(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    models, embedded = places
    assert resolve("micromind", models, embedded) == embedded
    assert resolve(str(models / "gpt2"), models, embedded) == models / "gpt2"
    monkeypatch.chdir(models)
    assert resolve("./gpt2", models, embedded) == models / "gpt2"
    assert resolve("gpt2", Path("nowhere"), embedded) == models / "gpt2"


def test_an_unknown_name_is_told_with_what_there_is(places: tuple[Path, Path]) -> None:
    with pytest.raises(UnknownModel, match=r"no model llama on this computer\. There is: micromind, deepseek-ai/R1-1\.5B, .*gpt2") as caught:
        resolve("llama", *places)
    assert isinstance(caught.value, ModelNotFound)
    assert caught.value.code == "model_unknown"
    assert "download" not in str(caught.value)


def test_a_hub_name_is_told_with_how_to_get_it(places: tuple[Path, Path]) -> None:
    with pytest.raises(UnknownModel, match=r"models download meta/llama` fetches it"):
        resolve("meta/llama", *places)
    with pytest.raises(UnknownModel, match=r"not finished: .*models download half/done` goes on"):
        resolve("half/done", *places)


def test_a_last_part_that_two_models_share(places: tuple[Path, Path]) -> None:
    put(places[0] / "other--Qwen3-0.6B")
    with pytest.raises(UnknownModel, match="Say which one") as caught:
        resolve("qwen3-0.6b", *places)
    assert "gpt2" not in str(caught.value)
    assert resolve("other/Qwen3-0.6B", *places).name == "other--Qwen3-0.6B"


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nope", "~/nope-either"])
def test_a_path_without_a_model_is_told_as_a_path(places: tuple[Path, Path], name: str) -> None:
    with pytest.raises(ModelNotFound, match=r"Expected a folder with config\.json"):
        resolve(name, *places)


def test_no_name_is_no_model(places: tuple[Path, Path]) -> None:
    with pytest.raises(UnknownModel):
        resolve("", *places)


@given(st.text(max_size=30))
def test_a_hub_name_never_leads_out_of_its_folder(name: str) -> None:
    if is_hub_name(name):
        folder = folder_name(name)
        assert "/" not in folder
        assert not folder.startswith(".")
        assert folder.replace("--", "/", 1) == name
    else:
        with pytest.raises(ValueError, match="expected OWNER/NAME"):
            folder_name(name)
