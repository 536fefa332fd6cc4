from __future__ import annotations

from pathlib import Path

import pytest
import torch

from micromind import folders, merge
from tests.micromind.tiny import model_folder


def test_differences_from_the_base_are_added(tmp_path: Path) -> None:
    base, one, other = (model_folder(tmp_path / name) for name in ("base", "one", "other"))
    merge.main(["--base", str(base), "--add", "1.0", str(one), "0.5", str(other), "--output", str(tmp_path / "out")])
    b, x, y, made = (folders.load(folder)[0].state_dict() for folder in (base, one, other, tmp_path / "out"))
    for name, tensor in made.items():
        torch.testing.assert_close(tensor, b[name] + (x[name] - b[name]) + 0.5 * (y[name] - b[name]))


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    base, wide = model_folder(tmp_path / "base"), model_folder(tmp_path / "wide", hidden=32)
    with pytest.raises(SystemExit, match="has another shape than"):
        merge.main(["--base", str(base), "--add", "1", str(wide), "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="--add takes pairs of a factor and a folder, got 1"):
        merge.main(["--base", str(base), "--add", "1", "--output", str(tmp_path / "out")])
