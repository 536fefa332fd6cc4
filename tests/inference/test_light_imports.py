"""Loading a model without torch's compiler, in processes of their own: this one may have imported everything already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inference import light_imports
from inference.light_imports import lightly

ROOT = Path(__file__).resolve().parents[2]

LOAD = """
import sys
from pathlib import Path
from inference.light_imports import CLASS, MASKS, import_transformers
import torch
disable, check = torch.compiler.disable, torch._check_with
import_transformers()
from inference.loading import load
from transformers.utils import is_torch_distributed_available
loaded = load(Path("models/micromind"), name="m", device="cpu", dtype="fp32", offload=None, progress=lambda step: None)
heavy = [name for name in ("torch._dynamo", "torch.distributed.tensor") if name in sys.modules]
assert not heavy, heavy
assert torch.compiler.disable is disable and torch._check_with is check
assert is_torch_distributed_available() == torch.distributed.is_available()
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return done.stdout.decode()


def test_a_model_is_loaded_without_the_compiler_and_computes_the_same() -> None:
    """And afterwards the compiler is there for whoever wants it."""
    program = (
        LOAD
        + """
ids = torch.tensor([[1, 5, 9, 200]])
light = loaded.model(ids).logits
import torch._dynamo
assert torch._dynamo.is_compiling() is False
from transformers import masking_utils
kept = getattr(masking_utils, CLASS)()
assert type(kept).__module__ == MASKS and type(kept) is getattr(sys.modules[MASKS], CLASS)
usual = load(Path("models/micromind"), name="m", device="cpu", dtype="fp32", offload=None, progress=lambda step: None)
assert torch.equal(light, usual.model(ids).logits)
print("the same")
"""
    )
    assert run(program) == "the same\n"


def test_what_fails_the_light_way_is_done_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light_imports, "COMPILER", "a module that nobody has imported")
    seen = list[bool]()

    def do() -> str:
        seen.append(light_imports.COMPILER in sys.modules)
        if seen[-1]:
            raise AttributeError("something that the stand-in has not")
        return "done"

    assert lightly(do) == "done"
    assert seen == [True, False]


def test_too_little_memory_is_no_reason_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light_imports, "COMPILER", "a module that nobody has imported")
    calls = list[int]()

    def do() -> None:
        calls.append(1)
        raise MemoryError

    with pytest.raises(MemoryError):
        lightly(do)
    assert calls == [1]
