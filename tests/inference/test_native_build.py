from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from inference import native_build
from inference.native_build import NoCompiler, build, find_compiler, load

ROOT = Path(__file__).parents[2]


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(native_build.importlib.util, "find_spec", lambda name: None)
    assert find_compiler() == []
    with pytest.raises(NoCompiler, match="there is no C compiler"):
        build(tmp_path / "native")
    assert not (tmp_path / "native").exists()


def test_the_one_that_is_named_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "ccache gcc -m64")
    assert find_compiler() == ["ccache", "gcc", "-m64"]


def test_one_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", script(tmp_path / "cc", 'echo "decoder c: no such processor" >&2; exit 1'))
    with pytest.raises(NoCompiler, match="decoder c: no such processor"):
        build(tmp_path / "native")
    monkeypatch.setenv("CC", str(tmp_path / "nothing"))
    with pytest.raises(NoCompiler, match="could not be run"):
        build(tmp_path / "native")


def test_it_is_compiled_once_and_a_file_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    fake = 'for a in "$@"; do [ "$last" = -o ] && echo "no program" > "$a"; last=$a; done'
    monkeypatch.setenv("CC", script(tmp_path / "cc", f"echo call >> {log}; {fake}"))
    first = build(tmp_path / "native")
    assert build(tmp_path / "native") == first
    assert log.read_text().count("call") == 3  # asked twice what it knows, compiled once
    assert [path.name for path in (tmp_path / "native").iterdir()] == [first.name]
    with pytest.raises(NoCompiler, match="could not be loaded"):
        load(first)


SETS_VARIABLES = """
import os, threading, time
from inference import native_build

def set_variables():
    for n in range(10**9):
        os.putenv(f"V{n % 20000}", "x" * (n % 50))
        if n % 100 == 0:
            time.sleep(0.0005)

threading.Thread(target=set_variables, daemon=True).start()
for _ in range(600):
    native_build._run(["true"])
"""


@pytest.mark.process
def test_it_compiles_while_torch_sets_variables() -> None:
    """Where a process's variables lie may change between the fork and the command: then it fails with EFAULT, one time in a hundred."""
    done = subprocess.run([sys.executable, "-c", SETS_VARIABLES], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_two_that_compile_at_once(tmp_path: Path, native_folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if native_folder is None:
        pytest.skip("there is no C compiler here")
    monkeypatch.setattr(native_build, "FLAGS", tuple("-O0" if flag == "-O3" else flag for flag in native_build.FLAGS))
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(build(tmp_path, march="native"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*found}) == 1
    assert os.listdir(tmp_path) == [found[0].name]
    assert load(found[0]).llmsite_decoder_version() == native_build.VERSION
