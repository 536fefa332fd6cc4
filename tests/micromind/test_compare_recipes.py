"""Recipes beside each other, on a network of a few thousand parameters (requires: requirements-train.txt)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from micromind import compare_recipes, evaluate, folders, sources
from micromind.compare_recipes import Recipe
from micromind.sizes import SIZES
from tests.micromind.tiny import SOURCES, data_folder, model_folder

pytestmark = pytest.mark.filterwarnings("default")

LEFT_OUT = replace(SOURCES[0], path="extra/extra.jsonl", pretrain=0.0, left_out="to try it")


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of a comparison of recipes of a second each, with one source that the list leaves out."""
    monkeypatch.setattr(sources, "THIRD_PARTY", (*SOURCES, LEFT_OUT))
    monkeypatch.setattr(sources, "OWN", ())
    monkeypatch.setattr(sources, "SYNTHETIC_PRETRAIN", 4)
    data = data_folder(tmp_path / "data")
    (data / "extra").mkdir()
    texts = (data / "prose" / "texts.jsonl").read_text(encoding="utf-8")
    (data / "extra" / "extra.jsonl").write_text(texts.replace("a", "omega ").replace("猫", "狗和马"), encoding="utf-8")
    shape = ["--tokenizer", str(model_folder(tmp_path / "base")), "--batch", "2", "--length", "64", "--no-bf16", "--report-to", "none"]
    return ["--root", str(tmp_path / "models"), "--data", str(data), "--cpu-minutes", "0.005", *shape]


def test_each_recipe_gets_a_row_and_none_is_trained_twice(
    tmp_path: Path, common: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = (
        Recipe(compare_recipes.FIRST),
        Recipe("one layer more", ("--layers", "3")),
        Recipe("one dataset more", ("--weigh", "extra/extra.jsonl=1")),
        Recipe("too wide", ("--weigh", "nothing/like.jsonl=1")),
    )
    monkeypatch.setattr(compare_recipes, "recipes", lambda size: asked)
    compare_recipes.main(common)
    folder = tmp_path / "training" / "compare-tiny"
    written = (folder / "table.md").read_text(encoding="utf-8").splitlines()
    assert written[0].startswith("`python -m micromind.")
    rows = [line.split(" | ") for line in written[4:]]
    assert [row[0] for row in rows] == [
        "| as it is",
        "| one layer more (`--layers 3`)",
        "| one dataset more (`--weigh extra/extra.jsonl=1`)",
        "| too wide (`--weigh nothing/like.jsonl=1`)",
    ]
    assert rows[3][1].startswith("failed: --weigh takes FILE=WEIGHT")
    first, deeper, more = (folders.read_record(folder / name) for name in ("as-it-is", "one-layer-more", "one-dataset-more"))
    assert deeper["figures"]["parameters"] > first["figures"]["parameters"]
    assert more["data"]["files"]["extra/extra.jsonl"] == 1.0
    # All are measured on the same texts, those of the sources that the list does read.
    known = [folders.read_record(folder / name, compare_recipes.RECORD) for name in ("as-it-is", "one-layer-more", "one-dataset-more")]
    assert all(set(one["bits_per_byte"]) == set(known[0]["bits_per_byte"]) for one in known)
    assert "extra/extra.jsonl" not in known[0]["bits_per_byte"]
    difference = compare_recipes.mean(known[1]["bits_per_byte"], dict.fromkeys(known[1]["bits_per_byte"], "en")) - compare_recipes.mean(
        known[0]["bits_per_byte"], dict.fromkeys(known[0]["bits_per_byte"], "en")
    )
    assert rows[1][-1] == f"{difference:+.3f} |"
    # Again: all are there, and only the failed one is tried.
    caplog.clear()
    stamp = (folder / "as-it-is" / "model.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(evaluate, "held_out", None)
    compare_recipes.main(common)
    assert (folder / "as-it-is" / "model.safetensors").stat().st_mtime_ns == stamp
    assert (folder / "table.md").read_text(encoding="utf-8").splitlines() == written


def test_the_loss_is_that_of_the_last_steps_by_their_number() -> None:
    curve = [{"step": 10, "loss": 9.0}, {"step": 30, "loss": 6.0}, {"step": 50, "loss": 5.0}, {"step": 60, "loss": 2.0}, {"train_runtime": 1.0}]
    assert compare_recipes.end_loss(curve) == (2.0 * 10 + 5.0 * 20) / 30
    assert compare_recipes.end_loss(curve[:1]) == 9.0


def test_an_unknown_recipe_and_missing_data_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        compare_recipes.main(["--only", "one more moon", "--root", str(tmp_path / "models")])
    assert "there is no recipe one more moon; there is: as it is, twice the time" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="--data"):
        compare_recipes.main(["--root", str(tmp_path / "models")])


@pytest.mark.parametrize("size", SIZES)
def test_every_shape_can_be_built(size: str) -> None:
    """The narrower network keeps the width of a head, and its heads divide."""
    shape = SIZES[size]
    options = next(recipe.options for recipe in compare_recipes.recipes(shape) if recipe.name == "narrower")
    given = dict(zip(options[::2], map(int, options[1::2]), strict=True))
    assert given["--hidden"] // given["--heads"] == shape.hidden // shape.heads
    assert given["--hidden"] % given["--heads"] == given["--heads"] % shape.kv_heads == 0


def test_the_weighed_sources_exist() -> None:
    known = {source.path for source in sources.THIRD_PARTY}
    weighed = [word for recipe in compare_recipes.recipes(SIZES["small"]) for word in recipe.options if "=" in word]
    assert weighed
    assert {word.partition("=")[0] for word in weighed} <= known
