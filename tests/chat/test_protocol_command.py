"""`manage.py protocol` writes what is stale, and only says so with --check."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from chat.generate import files


@pytest.fixture
def root(tmp_path: Path, settings: object) -> Path:
    settings.BASE_DIR = tmp_path  # type: ignore[attr-defined]
    return tmp_path


def test_check_names_the_stale_files_and_writes_nothing(root: Path) -> None:
    with pytest.raises(CommandError, match=r"Stale: docs/protocol\.md.*manage\.py protocol") as caught:
        call_command("protocol", "--check")
    assert caught.value.returncode == 1
    assert list(root.iterdir()) == []


def test_it_writes_what_is_stale_and_then_is_content(root: Path) -> None:
    out = StringIO()
    call_command("protocol", stdout=out)
    assert out.getvalue().count("wrote") == len(files())
    (root / "docs/protocol.md").write_text("old", encoding="utf-8")
    out = StringIO()
    call_command("protocol", stdout=out)
    assert out.getvalue() == "wrote docs/protocol.md\n"
    call_command("protocol", "--check", stdout=out)
    assert out.getvalue().endswith("up to date\n")
