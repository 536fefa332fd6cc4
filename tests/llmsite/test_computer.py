from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from llmsite.computer import FILE, computer_id


def test_it_is_made_once_and_stays(tmp_path: Path) -> None:
    first = computer_id(tmp_path)
    assert str(UUID(first)) == first
    assert computer_id(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_two_folders_are_two_computers(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    assert len({computer_id(folder) for folder in folders}) == 2


@pytest.mark.parametrize("left", [b"", b"half of an i", b"\xff\xfe"])
def test_what_cannot_be_read_is_made_anew(tmp_path: Path, left: bytes) -> None:
    (tmp_path / FILE).write_bytes(left)
    assert computer_id(tmp_path) == computer_id(tmp_path)
