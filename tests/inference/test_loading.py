from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from inference import loading
from inference.errors import BrokenModel, EngineError, ModelNotFound, OutOfMemory
from inference.loading import BF16_PAYS_FROM, choose_dtype, choose_threads, eos_ids, load, model_defaults
from inference.types import LoadProgress
from tests.inference.tiny_models import save_model


def load_it(path: Path, **settings: Any) -> loading.Loaded:
    given: dict[str, Any] = {"name": "tiny", "device": "cpu", "dtype": "auto", "offload": None, "progress": lambda step: None, **settings}
    return load(path, **given)


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_loads_with_progress(tiny_folder: Path) -> None:
    steps: list[LoadProgress] = []
    loaded = load_it(tiny_folder, progress=steps.append)
    fractions = [step.fraction for step in steps if step.step == "loading the weights"]
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)
    assert len(fractions) > 5
    assert (loaded.device, loaded.dtype, loaded.context) == ("cpu", torch.float32, 1024)
    assert loaded.cell_bytes == 3 * 2 * 2 * 16 * 4
    assert loaded.weight_bytes == (tiny_folder / "model.safetensors").stat().st_size - header_bytes(tiny_folder / "model.safetensors")
    assert not any(p.requires_grad for p in loaded.model.parameters())


def test_the_progress_bar_of_transformers_is_its_own_again(tiny_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import transformers

    load_it(tiny_folder)
    assert "Loading weights" not in capfd.readouterr().err
    assert transformers.utils.logging.set_tqdm_hook(None) is None


def header_bytes(file: Path) -> int:
    return 8 + int.from_bytes(file.read_bytes()[:8], "little")


def truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def truncate_header(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:50])


def shards(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))


BREAKAGES: dict[str, tuple[Any, type[EngineError], str]] = {
    "no folder": (lambda folder: shutil.rmtree(folder), ModelNotFound, "There is no model at"),
    "no config": (lambda folder: (folder / "config.json").unlink(), ModelNotFound, "There is no model at"),
    "config no json": (lambda folder: (folder / "config.json").write_text("{"), BrokenModel, r"config\.json cannot be read"),
    "cut off": (truncate, BrokenModel, r"model\.safetensors has [\d,]+ bytes where it says [\d,]+: its download broke off"),
    "cut off early": (truncate_header, BrokenModel, r"model\.safetensors is no safetensors file, or its download broke off"),
    "not weights": (lambda folder: (folder / "model.safetensors").write_bytes(b"<!DOCTYPE html>" * 9), BrokenModel, "is no safetensors file"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), BrokenModel, "no weight file"),
    "no shards": (shards, BrokenModel, "2 of 2 weight files are missing"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), BrokenModel, "its tokenizer is missing"),
    "bad tokenizer": (lambda folder: (folder / "tokenizer.json").write_text("{}"), BrokenModel, "its tokenizer cannot be read"),
    "unknown kind": (lambda folder: edit_config(folder, model_type="qwen99"), BrokenModel, r"its config\.json cannot be used .*qwen99"),
    "other shape": (lambda folder: edit_config(folder, intermediate_size=128), BrokenModel, "weights"),
    "more layers": (lambda folder: edit_config(folder, num_hidden_layers=4, layer_types=None), BrokenModel, r"weights are missing"),
    "bad generation": (lambda folder: (folder / "generation_config.json").write_text("{"), BrokenModel, r"generation_config\.json cannot be read"),
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_says_what_is_wrong_with_a_folder(folder: Path, what: str) -> None:
    spoil, kind, sentence = BREAKAGES[what]
    spoil(folder)
    with pytest.raises(kind, match=sentence) as caught:
        load_it(folder)
    assert "\n" not in str(caught.value)


def test_too_little_memory_is_said_before_loading(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 400_000})())
    monkeypatch.setattr(loading, "_load_weights", lambda *args: pytest.fail("it was loaded"))
    with pytest.raises(OutOfMemory, match=r"too little memory for tiny: it needs about 1 MB, and 1 MB is free"):
        load_it(tiny_folder)


def test_with_a_folder_to_offload_to_it_runs_from_the_disk(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.runner import choose_runner

    monkeypatch.setattr(loading.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 400_000})())
    loaded = load_it(tiny_folder, offload=tmp_path / "offload")
    assert "disk" in loaded.model.hf_device_map.values()
    with torch.inference_mode():
        runner = choose_runner(loaded.model, max_rows=2, max_cells=512)
        logits = runner.prefill(0, [5, 6, 7], 0, rows=1)
    monkeypatch.undo()
    with torch.inference_mode():
        expected = load_it(tiny_folder).model(input_ids=torch.tensor([[5, 6, 7]])).logits[:, -1]
    assert torch.allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("weights", "has_bf16", "expected"),
    [(1, False, "float32"), (1, True, "float32"), (BF16_PAYS_FROM, True, "bfloat16"), (BF16_PAYS_FROM, False, "float32")],
)
def test_number_type_on_a_cpu(weights: int, has_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "cpu_multiplies_bf16", lambda: has_bf16)
    assert choose_dtype(torch.device("cpu"), "auto", torch.bfloat16, weights * 2) == getattr(torch, expected)


@pytest.mark.parametrize(
    ("asked", "expected"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32), ("float32", torch.float32)]
)
def test_a_number_type_that_is_asked_for(asked: str, expected: torch.dtype) -> None:
    assert choose_dtype(torch.device("cpu"), asked, torch.float32, 10) == expected


def test_gpus_get_16_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose_dtype(torch.device("cuda"), "auto", torch.float32, 10) == torch.float16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert choose_dtype(torch.device("cuda"), "auto", torch.float32, 10) == torch.bfloat16
    assert choose_dtype(torch.device("mps"), "auto", torch.float32, 10) == torch.float16


def test_small_models_leave_the_other_cores_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading.psutil, "cpu_count", lambda logical: 6)
    assert (choose_threads(20_000_000), choose_threads(1_000_000_000)) == (1, 6)


def test_sampling_of_the_model_goes_over_the_built_in(tmp_path: Path) -> None:
    folder = save_model(tmp_path, generation={"do_sample": True, "temperature": 0.6, "top_k": 20, "repetition_penalty": 1.1, "max_new_tokens": 77})
    defaults = model_defaults(load_it(folder).generation)
    assert (defaults.temperature, defaults.top_k, defaults.repetition_penalty, defaults.max_tokens) == (0.6, 20, 1.1, 77)
    assert (defaults.top_p, defaults.min_p, defaults.stop) == (0.9, 0.0, ())


def test_a_model_that_says_greedy_is_greedy(tmp_path: Path) -> None:
    folder = save_model(tmp_path, generation={"do_sample": False})
    assert model_defaults(load_it(folder).generation).temperature == 0.0


def test_all_ends_of_an_answer_are_known(tiny_folder: Path) -> None:
    loaded = load_it(tiny_folder)
    assert eos_ids(loaded.generation, loaded.model) == {0, 2}
