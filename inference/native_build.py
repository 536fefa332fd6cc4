"""Compiles the decoder in C for this computer's processor, once, and loads it.

Needs a C compiler (`CC`, cc, gcc or clang; `pip install ziglang` brings one, too). Where there is none, or it fails, answers are decoded by torch.
The compiled file lies in a folder of the user's and is named by what it was made from, so that a new version, another compiler or another processor
make a new one.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "native"
FLAGS = ("-O3", "-std=gnu11", "-fno-math-errno", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread", "-Wno-psabi")
VERSION = 3
BUILD_S = 120


class NoCompiler(Exception):
    """There is no C compiler, or it could not compile the decoder. The text says why."""


def find_compiler() -> list[str]:
    """The command, or [] where there is none."""
    if said := os.environ.get("CC"):
        return shlex.split(said)
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else []


def build(folder: Path, *, march: str = "native") -> Path:
    """The compiled file in `folder`, made now if it is not there. Raises NoCompiler."""
    compiler = find_compiler()
    if not compiler:
        raise NoCompiler("there is no C compiler (cc, gcc or clang)")
    flags = [f"-march={march}", *FLAGS]
    target = folder / f"decoder-{_fingerprint(compiler, march)}{'.dll' if os.name == 'nt' else '.so'}"
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            made = Path(beside) / target.name
            _run([*compiler, *flags, "-o", str(made), *(str(file) for file in sorted(FOLDER.glob("*.c"))), "-lm"])
            made.replace(target)  # another process may be making the same one
        log.info("compiled the decoder: %s", target)
    return target


def _fingerprint(compiler: list[str], march: str) -> str:
    """Source, flags, compiler and what the compiler knows of this processor."""
    known = _run([*compiler, f"-march={march}", "-dM", "-E", "-x", "c", os.devnull])
    sources = [file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.[ch]"))]
    return hashlib.sha256("\0".join([*sources, *compiler, *FLAGS, known]).encode()).hexdigest()[:16]


def _run(command: list[str]) -> str:
    try:
        # Its own environment: torch is imported meanwhile and sets variables, and where they lie may change while the command begins (EFAULT).
        environment = dict(os.environ)
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False, stdin=subprocess.DEVNULL, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompiler(f"the C compiler could not be run ({error})") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise NoCompiler(f"the C compiler failed ({said})")
    return done.stdout


def load(file: Path) -> ctypes.CDLL:
    """The functions of a compiled file. Raises NoCompiler for one of another version."""
    try:
        library = ctypes.CDLL(str(file))
        version: int = library.llmsite_decoder_version()
    except (OSError, AttributeError) as error:
        raise NoCompiler(f"the compiled decoder could not be loaded ({error})") from error
    if version != VERSION:
        raise NoCompiler(f"the compiled decoder has version {version}, expected {VERSION}")
    library.llmsite_decoder_new.restype = ctypes.c_void_p
    library.llmsite_decoder_new.argtypes = [ctypes.c_void_p]
    library.llmsite_decoder_free.restype = None
    library.llmsite_decoder_free.argtypes = [ctypes.c_void_p]
    pointers = [ctypes.c_void_p] * 3
    library.llmsite_decoder_forward.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int,
        *pointers,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.llmsite_sample.argtypes = [ctypes.c_int, ctypes.c_int64, *[ctypes.c_void_p] * 4]
    library.llmsite_pack.restype = None
    library.llmsite_pack.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    return library
