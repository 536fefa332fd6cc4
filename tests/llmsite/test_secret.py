from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from llmsite import secret
from llmsite.secret import close_to_others, make_only_private_files, private_folder, secret_key

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows folders have no such rights")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_secret_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "data")
    assert len(key) >= 64
    assert secret_key(tmp_path / "data") == key
    assert mode(tmp_path / "data" / "secret_key") == 0o600
    assert mode(tmp_path / "data") == 0o700


def test_two_processes_that_start_at_once_have_the_same_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one comes while the first is making it."""
    draw, others = secret.secrets.token_urlsafe, []

    def drawn(size: int) -> str:
        if not others:
            others.append("")
            others[0] = secret_key(tmp_path)
        return draw(size)

    monkeypatch.setattr(secret.secrets, "token_urlsafe", drawn)
    key = secret_key(tmp_path)
    assert len(key) >= 64
    assert others == [key]
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_file_that_a_power_cut_left_empty_gets_a_key(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    key = secret_key(tmp_path)
    assert len(key) >= 64
    assert secret_key(tmp_path) == key


def test_a_disk_without_links_has_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: Path, target: Path) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(secret.os, "link", link)
    key = secret_key(tmp_path)
    assert len(key) >= 64
    assert secret_key(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_folder_and_a_key_that_were_open_are_closed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    data.chmod(0o755)
    (data / "secret_key").write_text("k" * 64)
    (data / "secret_key").chmod(0o644)
    assert secret_key(data) == "k" * 64
    assert (mode(data), mode(data / "secret_key")) == (0o700, 0o600)


def test_a_home_folder_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    private_folder(home)
    private_folder(tmp_path)
    assert (mode(home), mode(tmp_path)) == (0o755, 0o755)


def test_what_is_not_there_needs_no_closing(tmp_path: Path) -> None:
    close_to_others(tmp_path / "nothing")


def test_new_files_are_private() -> None:
    before = os.umask(0o022)
    try:
        make_only_private_files()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
