"""What this computer has for a model, found out without importing torch (which takes seconds)."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from inference.fit import BF16_PAYS_FROM, NATIVE_FAMILIES, count_parameters, size, text_config
from inference.native_build import find_compiler

MIB = 1024**2
NVIDIA_SMI_TIMEOUT_S = 10.0
CUDA_LIBRARIES = ("libtorch_cuda.so", "torch_cuda.dll")
BF16_FLAGS = ("amx_bf16", "avx512_bf16")
"""Of /proc/cpuinfo: instructions that multiply bfloat16. Elsewhere than on Linux they are taken as missing."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """Bytes."""

    name: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """Bytes."""

    gpu: Gpu | None
    """The first NVIDIA GPU, where the torch that is installed can use it."""
    unused_gpu: Gpu | None
    """A GPU that is there, and torch was installed without CUDA."""
    ram_total: int
    ram_free: int
    shared_memory: bool
    """Apple's processors: GPU and processor share one memory."""
    bf16: bool
    """The processor multiplies bfloat16."""
    compiler: bool = False
    """There is a C compiler: kinds of model that are decoded in C are fast, and may be quantised."""

    def lines(self) -> list[str]:
        """The same for people."""
        parts = [f"{self.gpu.name} with {size(self.gpu.free)} free of {size(self.gpu.total)}"] if self.gpu else []
        parts.append(f"{size(self.ram_free)} of memory free of {size(self.ram_total)}")
        lines = ["This computer: " + ", ".join(parts) + "."]
        if self.unused_gpu:
            lines.append(f"Its {self.unused_gpu.name} is not used: the installed torch has no CUDA in it.")
        return lines


def look() -> Hardware:
    memory = psutil.virtual_memory()
    gpu = _first_gpu()
    usable = gpu is not None and torch_has_cuda()
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return Hardware(
        gpu if usable else None,
        None if usable else gpu,
        memory.total,
        memory.available,
        apple,
        _multiplies_bf16(Path("/proc/cpuinfo")),
        bool(find_compiler()),
    )


def bytes_per_weight(config: dict[str, Any], hardware: Hardware, weight_bytes: int | None = None) -> int | None:
    """What the local engine makes of a weight: 16 bits on a GPU, on a processor 32 where the model is small, or
    where the processor does not multiply bfloat16 and no C code does it instead.

    None for a quantized model, which keeps its own width.
    """
    if "quantization_config" in config:
        return None
    if hardware.gpu or hardware.shared_memory:
        return 2
    text = text_config(config)
    parameters = count_parameters(text) or (weight_bytes or 0) // 2
    native = hardware.compiler and config.get("model_type") in NATIVE_FAMILIES
    return 2 if (hardware.bf16 or native) and parameters >= BF16_PAYS_FROM else 4


def _first_gpu() -> Gpu | None:
    """By nvidia-smi, which the driver brings; None where there is none or it does not work."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT_S, check=True).stdout
        name, total, free = (part.strip() for part in answer.splitlines()[0].rsplit(",", 2))
        return Gpu(name, int(total) * MIB, int(free) * MIB)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def torch_has_cuda() -> bool:
    """Whether the installed torch was built with CUDA: its library is there. `find_spec` does not import it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    return any((Path(spec.origin).parent / "lib" / name).is_file() for name in CUDA_LIBRARIES)


def _multiplies_bf16(cpuinfo: Path) -> bool:
    try:
        flags = next(line for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        return False
    return any(flag in flags.split() for flag in BF16_FLAGS)
