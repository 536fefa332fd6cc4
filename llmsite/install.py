"""pip, spoken to and listened to: what it does in plain lines, what goes wrong in a sentence, all of its words in a log. Standard library only."""

from __future__ import annotations

import collections
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from llmsite.requirements import requirement_lines
from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.progress import ProgressLine
from llmsite.serve.words import say

# PyTorch's own index of builds without CUDA, named in its installation guide (pytorch.org/get-started). See Installer._install_cpu_torch.
CPU_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_S = 3.0
TAIL_LINES = 8

NO_SPACE = re.compile(r"No space left on device|Errno 28\b|not enough space on the disk|Disk quota exceeded", re.IGNORECASE)
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|Temporary failure in name resolution|Failed to establish a new connection|getaddrinfo failed"
    r"|Network is unreachable|ConnectTimeout|Read timed out|ReadTimeoutError|ProxyError|ConnectionResetError|RemoteDisconnected|IncompleteRead"
    r"|nodename nor servname|Connection refused|connection broken",
    re.IGNORECASE,
)
DOWNLOADING = re.compile(r"^\s*Downloading (\S+) \(([\d.]+ [MG]B)\)")  # smaller ones are there before they are read
COPYING = "Installing collected packages"
PROGRESS = re.compile(r"^Progress (\d+) of (\d+)$")
RAW_PROGRESS = (24, 1)  # the pip that can say its progress in numbers


class Installer:
    """Fills one environment. `python` is its interpreter, `log` takes every word of pip."""

    def __init__(self, python: Path, log: Path) -> None:
        self.python, self.log = python, log
        self.line = ProgressLine(sys.stderr, "")
        self.half_copied = False
        """True when pip failed after it had begun to write: it downloads everything first."""
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def make_venv(self, venv: Path) -> None:
        """Make the environment, or make it anew. Raises Stopped."""
        self.line.show(say("install.venv"), None)
        lines, code = self._run([getattr(sys, "_base_executable", sys.executable) or sys.executable, "-m", "venv", "--clear", str(venv)])
        if code != 0:
            raise self._failure(lines, say("install.venv_failed", venv=venv, reason=lines[-1] if lines else code))

    def install(self, files: Sequence[Path]) -> None:
        """Install the requirements. Raises Stopped with what a person can do about it."""
        self._install_cpu_torch(files[0])
        lines, code = self._pip([word for file in files for word in ("-r", str(file))])
        if code != 0:
            raise self._failure(lines, "\n".join([say("install.failed", log=self.log), *list(lines)[-TAIL_LINES:]]))

    def _install_cpu_torch(self, requirements: Path) -> None:
        """On Linux the torch of PyPI brings gigabytes of CUDA. Without an NVIDIA card they only fill the disk, so the build without is preferred:
        from the person's own index if it has one; else from PyTorch's, for this one package (so that no other can come from there), when it
        answers within seconds and the person has not switched other indexes off. LLMSITE_TORCH_INDEX names another, or none when empty.
        Whatever fails here only means that the usual torch is installed.
        """
        version = dict(requirement_lines(requirements)).get("torch", "")
        if sys.platform != "linux" or not version.startswith("==") or has_nvidia():
            return
        wanted = [f"torch{version}+cpu", "--no-deps"]
        if self._pip(wanted)[1] == 0:
            return
        index = os.environ.get("LLMSITE_TORCH_INDEX", "" if os.environ.get("PIP_NO_INDEX") else CPU_TORCH_INDEX)
        if index and _index_answers(index):
            self._pip([*wanted, "--index-url", index])

    def _pip(self, arguments: list[str]) -> tuple[list[str], int]:
        """Run pip. It asks no questions: nobody would see them."""
        options = ["--no-input", "--disable-pip-version-check", "--progress-bar", self._progress_bar]
        return self._run([str(self.python), "-m", "pip", "install", *options, *arguments])

    @cached_property
    def _progress_bar(self) -> str:
        """What the environment's own pip understands."""
        said = subprocess.run([str(self.python), "-m", "pip", "--version"], capture_output=True, text=True, check=False).stdout
        match = re.match(r"pip (\d+)\.(\d+)", said)
        return "raw" if match and (int(match[1]), int(match[2])) >= RAW_PROGRESS else "off"

    def _run(self, command: list[str]) -> tuple[list[str], int]:
        """Run a program with its output in the log, showing the few lines that tell a person how far it is. Returns its last lines and its code."""
        environment = os.environ | {"PIP_USER": "0", "PYTHONUNBUFFERED": "1"}  # PIP_USER=1 is for the system's Python and fails in an environment
        tail: collections.deque[str] = collections.deque(maxlen=200)
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"\n{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(command)}\n")
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment, text=True, errors="replace"
            )
            try:
                with self.line.ticking():
                    for line in _lines(process):
                        if not self._show(line):
                            log.write(f"{line}\n")
                            tail.append(line)
                code = process.wait()
                self.half_copied = code != 0 and any(line.startswith(COPYING) for line in tail)
                return list(tail), code
            except BaseException:
                process.terminate()
                process.wait()
                raise

    def _show(self, line: str) -> bool:
        """Show how far pip is; True for a line that says nothing else."""
        if match := PROGRESS.match(line):
            self.line.show(self.line.step, int(match[1]) / max(1, int(match[2])))
            return True
        if match := DOWNLOADING.match(line):
            self.line.show(say("install.downloading", file=match[1].rpartition("/")[2].partition("-")[0], size=match[2]), None)
        elif line.startswith(COPYING):
            self.line.show(say("install.unpacking"), None)
        return False

    def _failure(self, lines: list[str], otherwise: str) -> Stopped:
        text = "\n".join(lines)
        if NO_SPACE.search(text):
            return Stopped(Exit.DISK_FULL, say("disk_full", path=self.python.parent.parent))
        if NO_NETWORK.search(text):
            return Stopped(Exit.INSTALL, say("install.no_network"))
        return Stopped(Exit.INSTALL, otherwise)


def has_nvidia() -> bool:
    """Whether an NVIDIA card is in this Linux computer, with or without its driver: then the CUDA build is the right one."""
    if any(Path(path).exists() for path in ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1")):
        return True
    if shutil.which("nvidia-smi"):
        return True
    for device in Path("/sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == "0x10de" and kind.startswith(("0x0300", "0x0302")):  # NVIDIA; a display or 3D controller
            return True
    return False


def _index_answers(index: str) -> bool:
    """One quick look, with the person's proxy settings: pip itself would try for minutes."""
    if not index.startswith(("http://", "https://")):
        return True  # a folder
    try:
        with urllib.request.urlopen(f"{index.rstrip('/')}/torch/", timeout=PROBE_S) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip()
