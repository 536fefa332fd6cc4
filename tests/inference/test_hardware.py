"""What this computer has, told without torch; and that it agrees with what torch says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inference import hardware
from inference.hardware import Gpu, Hardware, bytes_per_weight

GIB = 1024**3
PLAIN = Hardware(gpu=None, unused_gpu=None, ram_total=8 * GIB, ram_free=4 * GIB, shared_memory=False, bf16=False)
GPU = Gpu("NVIDIA GeForce RTX 4060, Laptop", 8188 * 1024**2, 7000 * 1024**2)
BIG = {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 32000, "intermediate_size": 8192}
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 1000, "intermediate_size": 128}


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, alone on the PATH; the tests fill it."""
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


def becomes(program: Path, text: str, code: int = 0) -> None:
    program.write_text(f"#!{sys.executable}\nprint({text!r})\nraise SystemExit({code})\n")
    program.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="a script cannot stand in for a program there")
def test_the_gpu_by_nvidia_smi(nvidia_smi: Path) -> None:
    becomes(nvidia_smi, "NVIDIA GeForce RTX 4060, Laptop, 8188, 7000\nNVIDIA T4, 16000, 15000")
    assert hardware._first_gpu() == GPU


@pytest.mark.skipif(os.name == "nt", reason="a script cannot stand in for a program there")
@pytest.mark.parametrize(("text", "code"), [("", 0), ("NVIDIA-SMI has failed", 9), ("No devices were found", 0), ("A, [N/A], [N/A]", 0)])
def test_an_nvidia_smi_that_does_not_work_is_no_gpu(nvidia_smi: Path, text: str, code: int) -> None:
    becomes(nvidia_smi, text, code)
    assert hardware._first_gpu() is None


def test_no_nvidia_smi_is_no_gpu(nvidia_smi: Path) -> None:
    assert hardware._first_gpu() is None


@pytest.mark.parametrize("usable", [True, False])
def test_a_gpu_counts_only_where_torch_can_use_it(monkeypatch: pytest.MonkeyPatch, usable: bool) -> None:
    monkeypatch.setattr(hardware, "_first_gpu", lambda: GPU)
    monkeypatch.setattr(hardware, "torch_has_cuda", lambda: usable)
    computer = hardware.look()
    assert (computer.gpu, computer.unused_gpu) == ((GPU, None) if usable else (None, GPU))
    assert ("is not used" in computer.lines()[-1]) is not usable
    assert computer.ram_total >= computer.ram_free > 0


@pytest.mark.parametrize(
    ("config", "computer", "width"),
    [
        (BIG, Hardware(GPU, None, 1, 1, False, False), 2),
        (SMALL, Hardware(GPU, None, 1, 1, False, False), 2),
        (BIG, Hardware(None, None, 1, 1, True, False), 2),
        (BIG, Hardware(None, None, 1, 1, False, True), 2),
        (SMALL, Hardware(None, None, 1, 1, False, True), 4),
        (BIG, PLAIN, 4),
        (BIG | {"quantization_config": {"bits": 4}}, PLAIN, None),
    ],
)
def test_bytes_per_weight(config: dict[str, object], computer: Hardware, width: int | None) -> None:
    assert bytes_per_weight(config, computer) == width


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512_bf16 x\n", True),
        ("flags : amx_bf16\n", True),
        ("flags : avx512f\n", False),
        ("Features : asimd bf16\n", False),
        ("", False),
    ],
)
def test_bfloat16_by_the_processors_flags(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert hardware._multiplies_bf16(tmp_path / "cpuinfo") is expected


def test_without_cpuinfo_bfloat16_is_taken_as_missing(tmp_path: Path) -> None:
    assert hardware._multiplies_bf16(tmp_path / "none") is False


@pytest.mark.process
def test_it_agrees_with_torch_and_does_not_import_it() -> None:
    script = (
        "import sys; from inference import hardware; h = hardware.look(); has = hardware.torch_has_cuda(); assert 'torch' not in sys.modules; "
        "from inference import loading; import torch; print(h.bf16 == loading.cpu_multiplies_bf16(), has == (torch.version.cuda is not None), "
        "hardware.BF16_PAYS_FROM == loading.BF16_PAYS_FROM)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["True", "True", "True"], done.stderr
