from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmsite import install
from llmsite.install import CPU_TORCH_INDEX, Installer
from llmsite.requirements import requirement_lines
from llmsite.serve.exits import Exit


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text("torch==2.13.0\n")
    return file


class Pip:
    """Stands for pip: remembers what it was asked for and has only what it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, has_cpu_torch: bool) -> None:
        self.calls: list[list[str]] = []
        self.has_cpu_torch = has_cpu_torch
        monkeypatch.setattr(Installer, "_pip", lambda installer, arguments: self(arguments))
        monkeypatch.setattr(install.sys, "platform", "linux")
        monkeypatch.setattr(install, "has_nvidia", lambda: False)
        monkeypatch.setattr(install, "_index_answers", lambda index: True)
        for name in ("PIP_NO_INDEX", "LLMSITE_TORCH_INDEX"):
            monkeypatch.delenv(name, raising=False)

    def __call__(self, arguments: list[str]) -> tuple[list[str], int]:
        self.calls.append(arguments)
        missing = "torch==2.13.0+cpu" in arguments and not (self.has_cpu_torch or "--index-url" in arguments)
        return [], int(missing)


CPU = ["torch==2.13.0+cpu", "--no-deps"]


def calls(pip: Pip, requirements: Path, tmp_path: Path) -> list[list[str]]:
    Installer(tmp_path / "python", tmp_path / "log").install([requirements])
    assert pip.calls[-1] == ["-r", str(requirements)]
    return pip.calls[:-1]


def test_the_persons_own_index_is_asked_first(monkeypatch: pytest.MonkeyPatch, requirements: Path, tmp_path: Path) -> None:
    assert calls(Pip(monkeypatch, has_cpu_torch=True), requirements, tmp_path) == [CPU]


def test_then_pytorchs_own_for_this_one_package(monkeypatch: pytest.MonkeyPatch, requirements: Path, tmp_path: Path) -> None:
    assert calls(Pip(monkeypatch, has_cpu_torch=False), requirements, tmp_path) == [CPU, [*CPU, "--index-url", CPU_TORCH_INDEX]]


def test_which_can_be_another_or_none(monkeypatch: pytest.MonkeyPatch, requirements: Path, tmp_path: Path) -> None:
    pip = Pip(monkeypatch, has_cpu_torch=False)
    monkeypatch.setenv("LLMSITE_TORCH_INDEX", "https://mirror.example/cpu")
    assert calls(pip, requirements, tmp_path) == [CPU, [*CPU, "--index-url", "https://mirror.example/cpu"]]
    pip.calls.clear()
    monkeypatch.setenv("LLMSITE_TORCH_INDEX", "")
    assert calls(pip, requirements, tmp_path) == [CPU]


def test_a_person_who_wants_no_index_gets_none(monkeypatch: pytest.MonkeyPatch, requirements: Path, tmp_path: Path) -> None:
    pip = Pip(monkeypatch, has_cpu_torch=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert calls(pip, requirements, tmp_path) == [CPU]


def test_an_index_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, requirements: Path, tmp_path: Path) -> None:
    pip = Pip(monkeypatch, has_cpu_torch=False)
    monkeypatch.setattr(install, "_index_answers", lambda index: False)
    assert calls(pip, requirements, tmp_path) == [CPU]


@pytest.mark.parametrize(("platform", "nvidia"), [("linux", True), ("darwin", False), ("win32", False)])
def test_the_usual_torch_where_it_is_the_right_one(
    monkeypatch: pytest.MonkeyPatch, requirements: Path, tmp_path: Path, platform: str, nvidia: bool
) -> None:
    pip = Pip(monkeypatch, has_cpu_torch=True)
    monkeypatch.setattr(install.sys, "platform", platform)
    monkeypatch.setattr(install, "has_nvidia", lambda: nvidia)
    assert calls(pip, requirements, tmp_path) == []


def test_a_silent_index_costs_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import time

    monkeypatch.setattr(install, "PROBE_S", 0.2)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not install._index_answers(f"http://127.0.0.1:{silent.getsockname()[1]}/whl/cpu")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("output", "code", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", Exit.DISK_FULL, "disk is full"),
        ("WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('...')'", Exit.INSTALL, "no connection"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", Exit.INSTALL, "no connection"),
        ("ERROR: No matching distribution found for x==1", Exit.INSTALL, "otherwise"),
    ],
)
def test_what_pip_says_in_a_sentence(tmp_path: Path, output: str, code: Exit, words: str) -> None:
    stopped = Installer(tmp_path / "v" / "bin" / "python", tmp_path / "log")._failure(["Collecting x", output], "otherwise")
    assert stopped.code is code
    assert words in stopped.sentence


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  Downloading torch-2.13.0-cp311-cp311-linux_x86_64.whl (183.2 MB)", "  downloading torch (183.2 MB)\n"),
        ("Downloading https://files.example/packages/torch-2.13.0-cp311.whl (1.2 GB)", "  downloading torch (1.2 GB)\n"),
        ("  Downloading tiny-1.0-py3-none-any.whl (12 kB)", ""),
        ("Installing collected packages: a, b", "  unpacking (this takes a minute)\n"),
        ("Collecting torch", ""),
    ],
)
def test_what_is_shown_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, shown: str) -> None:
    Installer(tmp_path / "python", tmp_path / "log")._show(line)
    assert capsys.readouterr().err == shown


def test_requirements_of_this_system(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(
        "# a comment\n\n-r other.txt\n--index-url x\ntorch==2.13.0\npsycopg[binary]==3.3.9  # with its own library\ndjango>=5,<6\n"
        f"here==1; sys_platform == '{sys.platform}'\nthere==1; sys_platform != \"{sys.platform}\"\nodd==1; python_version < '3'\n"
    )
    assert requirement_lines(file) == [("torch", "==2.13.0"), ("psycopg", "==3.3.9"), ("django", ">=5,<6"), ("here", "==1")]


def test_the_projects_own_requirements_are_understood() -> None:
    root = Path(__file__).resolve().parents[2]
    lines = (root / "requirements.txt").read_text().splitlines()
    found = dict(requirement_lines(root / "requirements.txt"))
    assert found["torch"].startswith("==")
    assert len(found) == sum(1 for line in lines if "==" in line and ("win32" not in line or sys.platform != "win32"))
