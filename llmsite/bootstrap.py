"""Makes .venv from requirements.txt when there is none, and goes on in it. Standard library only.

Trusted is only an environment with a stamp: written last, it holds the hash of what was installed. An environment with the mark of an
installation that began and never ended is made anew, because pip takes a half-copied package for an installed one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from llmsite.lock import FileLock, Locked
from llmsite.requirements import requirement_lines
from llmsite.serve.exits import Exit, Stopped, explain
from llmsite.serve.words import say

ROOT = Path(__file__).resolve().parent.parent
STAMP, UNFINISHED = "llmsite-installed.json", "llmsite-installing"
ENTERED = "LLMSITE_ENTERED"


def ensure_environment(argv: Sequence[str], root: Path = ROOT) -> int | None:
    """Make sure that the requirements are there. None: go on in this process. A number: done elsewhere, exit with it."""
    files = _requirement_files(argv, root)
    venv = root / ".venv"
    entered = bool(os.environ.pop(ENTERED, None))
    inside = Path(sys.prefix).resolve() == venv.resolve()
    try:
        if inside and _is_current(venv, files):
            return None
        # A Python that has everything, the person's own environment or a container's, is used as it is.
        if (not inside or not _was_made_here(venv)) and _has_all(files):
            return None
        if inside and entered:
            raise Stopped(Exit.INSTALL, say("install.venv_failed", venv=venv, reason=sys.version))
        if not _is_current(venv, files):
            _install(venv, files, root)
        return _go_on_in(venv)
    except KeyboardInterrupt:
        print(f"\n{say('install.stopped')}", file=sys.stderr)
        return Exit.INSTALL
    except (Stopped, OSError) as error:
        stopped = explain(error)
        if stopped is None:
            raise
        print(stopped.sentence, file=sys.stderr)
        return stopped.code


def _requirement_files(argv: Sequence[str], root: Path) -> list[Path]:
    names = ["requirements.txt", "requirements-dev.txt"] if argv[1:2] == ["test"] else ["requirements.txt"]
    return [root / name for name in names]


def python_of(venv: Path) -> Path:
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


# --- what is there -------------------------------------------------------------------------------------------------------------


def _is_current(venv: Path, files: list[Path]) -> bool:
    """Whether the environment was installed to the end from these very files, by the Python version that it has now."""
    if (venv / UNFINISHED).exists() or not python_of(venv).exists():
        return False
    stamp = _read_stamp(venv)
    return stamp.get("python") == _version_of(venv) and all(stamp.get(file.name) == _hash(file) for file in files)


def _was_made_here(venv: Path) -> bool:
    return (venv / UNFINISHED).exists() or (venv / STAMP).exists()


def _read_stamp(venv: Path) -> dict[str, str]:
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _version_of(venv: Path) -> str:
    """ "3.11" — of the interpreter that the environment points at now: after an upgrade of the system that may be another than it was made with,
    and then its packages are in a folder that nobody looks into."""
    target = python_of(venv).resolve().name.removeprefix("python")
    if os.name != "nt" and target.count(".") == 1:
        return target
    with contextlib.suppress(OSError):
        for line in (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            if key.strip() in ("version", "version_info"):
                return ".".join(value.strip().split(".")[:2])
    return ""


def _has_all(files: list[Path]) -> bool:
    """Whether this Python has a distribution for each requirement. Versions are the owner's business here."""
    return all(_is_installed(name) for file in files for name, _ in requirement_lines(file))


def _is_installed(name: str) -> bool:
    from importlib import metadata  # late: an environment with a stamp needs no look

    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


# --- making it -----------------------------------------------------------------------------------------------------------------


def _install(venv: Path, files: list[Path], root: Path) -> None:
    """Make or complete the environment. One at a time: a second start would take the first one's work for an interrupted one."""
    from llmsite.install import Installer

    with _alone(root / ".venv.lock"):
        if _is_current(venv, files):
            return  # the other start has done it
        began = time.monotonic()
        unfinished = (venv / UNFINISHED).exists()
        usable = python_of(venv).exists() and not unfinished and _read_stamp(venv).get("python", _version_of(venv)) == _version_of(venv)
        _say_why(venv, files, unfinished=unfinished, usable=usable)
        installer = Installer(python_of(venv), _data(root) / "logs" / "install.log")
        if not usable:
            _require_venv_module()
            installer.make_venv(venv)
        (venv / UNFINISHED).touch()
        try:
            installer.install(files)
        except Stopped:
            if not installer.half_copied:
                (venv / UNFINISHED).unlink()  # nothing was begun, so what is there can be added to
            raise
        stamp = {"python": _version_of(venv)} | {file.name: _hash(file) for file in files}
        (venv / STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
        (venv / UNFINISHED).unlink()
        print(say("install.done", seconds=f"{time.monotonic() - began:.0f}"), file=sys.stderr, flush=True)


def _say_why(venv: Path, files: list[Path], *, unfinished: bool, usable: bool) -> None:
    if unfinished:
        sentence = say("install.again")
    elif usable:
        sentence = say("install.changed", file=files[-1].name, venv=venv)
    else:
        sentence = say("install.first", venv=venv)
    print(sentence, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _alone(path: Path):  # type: ignore[no-untyped-def]
    lock, told = FileLock(path), False
    while True:
        try:
            lock.acquire()
            break
        except Locked:
            if not told:
                print(say("install.wait"), file=sys.stderr, flush=True)
            told = True
            time.sleep(0.5)
    try:
        yield
    finally:
        lock.release()


def _require_venv_module() -> None:
    """Debian and Ubuntu keep ensurepip in a package of its own, and `python -m venv` then fails with half a folder."""
    from importlib import util

    if util.find_spec("venv") is None or util.find_spec("ensurepip") is None:
        raise Stopped(Exit.INSTALL, say("install.no_venv", version=f"{sys.version_info[0]}.{sys.version_info[1]}"))


def _data(root: Path) -> Path:
    # config.py says the same; it cannot be asked before it is known that the configuration is sound.
    return Path(os.environ.get("LLMSITE_DATA") or root / "data").expanduser()


# --- going on in it ------------------------------------------------------------------------------------------------------------


def _go_on_in(venv: Path) -> int:
    """Run the same command line with the environment's Python. On POSIX this process becomes it, so signals and process id stay."""
    command = [str(python_of(venv)), *sys.orig_argv[1:]]
    os.environ[ENTERED] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the console sends Ctrl-C to both; the server says when it is done
    return subprocess.call(command)
