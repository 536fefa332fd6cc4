"""Libraries that are not ours lie in the repository as their makers gave them out: vendor.json says what, from where, and its SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

VENDOR = Path(__file__).resolve().parents[2] / "chat" / "static" / "chat" / "vendor"
LIBRARIES = json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_file_is_the_one_that_was_given_out(name: str) -> None:
    library = LIBRARIES[name]
    folder = VENDOR / name
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} == set(library["files"])
    for file, expected in library["files"].items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == expected, f"{name}/{file} is not what {library['source']} has"


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_library_says_what_it_is_and_has_its_licence(name: str) -> None:
    library = LIBRARIES[name]
    assert library["version"]
    assert library["licence"]
    assert library["source"].startswith("https://")
    assert any(Path(file).name.upper().startswith("LICENSE") for file in library["files"])


def test_nothing_lies_there_that_is_not_listed() -> None:
    assert {entry.name for entry in VENDOR.iterdir()} == {"vendor.json", *LIBRARIES}
