"""`manage.py models`: what it prints, and its exit codes. Downloads come from the stand-in hub on loopback."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from django.core.management import call_command
from huggingface_hub import constants

from inference import hardware
from inference.catalog import UnknownModel
from inference.download import Progress
from inference.hardware import Gpu, Hardware
from llmsite.config import ModelConfig
from llmsite.management.commands import models as command
from tests.inference.hub_standin import HubStandIn

GIB = 1024**3
LAPTOP = Hardware(gpu=None, unused_gpu=None, ram_total=16 * GIB, ram_free=12 * GIB, shared_memory=False, bf16=False)
WITH_GPU = dataclasses.replace(LAPTOP, gpu=Gpu("NVIDIA GeForce RTX 4060", 8 * GIB, 7 * GIB))
QWEN_7B = {
    "model_type": "qwen2",
    "dtype": "bfloat16",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
}
BYTES_7B = 15_231_233_024
TINY = {
    "model_type": "qwen3",
    "dtype": "float32",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 300,
    "intermediate_size": 64,
}


def put(folder: Path, config: dict[str, Any], weight_bytes: int) -> Path:
    """A model folder whose weights are a hole in a sparse file: only its length is looked at."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(weight_bytes)
    return folder


@pytest.fixture
def models(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for downloaded models of a configuration that has nothing else in it."""
    settings.CONFIG = dataclasses.replace(settings.CONFIG, root=tmp_path, data=tmp_path / "data", model="micromind", models={})
    monkeypatch.setattr(hardware, "look", lambda: LAPTOP)
    return tmp_path / "data" / "models"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    files = {"config.json": json.dumps(TINY).encode(), "model.safetensors": random.Random(0).randbytes(2_000_000), "tokenizer.json": b"{}"}
    with HubStandIn({"tiny/model": files}) as standin:
        yield standin
    huggingface_hub.close_session()


def run(*args: str) -> tuple[int, str, str]:
    """(exit code, output, errors)"""
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("models", *args, stdout=out, stderr=err, no_color=True)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


# list


def test_the_list(models: Path, settings: Any, tmp_path: Path) -> None:
    put(tmp_path / "models" / "micromind", TINY, 50 * 1024**2)
    put(models / "Qwen--Qwen2.5-7B", QWEN_7B, BYTES_7B)
    (models / "broken--one").mkdir()
    (models / "half--done.part").mkdir()
    remote = ModelConfig(name="deep", engine="openai", base_url="https://api.deepseek.com", model="deepseek-chat")
    settings.CONFIG = dataclasses.replace(settings.CONFIG, models={"deep": remote})
    code, out, _ = run("list")
    assert code == 0
    assert out.splitlines() == [
        "* micromind          50 MB  embedded",
        "  broken/one             -  cannot be loaded: config.json is missing.",
        "  Qwen/Qwen2.5-7B  14.2 GB  downloaded",
        "  deep                   -  llmsite.toml: deepseek-chat at https://api.deepseek.com",
        "  half/done              -  download not finished",
        "* is served by default; `python manage.py serve --model NAME` serves another.",
    ]


def test_the_list_scores_what_was_trained_here(models: Path, settings: Any) -> None:
    stage = put(models / "micromind-tiny-sft", TINY, 2 * 1024**2)
    (stage / "training.json").write_text(json.dumps({"stage": "sft", "size": "tiny", "figures": {"last_loss": 1.13}}))
    (stage / "evaluation.json").write_text(json.dumps({"figures": {"sums": 0.04, "format": {"stopped": 1.0}}}))
    (models / "micromind-tiny-dpo" / "checkpoints").mkdir(parents=True)  # still in training: no model yet
    _, out, _ = run("list")
    assert "micromind-tiny-sft  2 MB  sft, tiny, loss 1.13; sums 4 %, stopped 100 %" in out
    assert "micromind-tiny-dpo" not in out


def test_an_empty_list_says_what_to_do(models: Path) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert "models download OWNER/NAME" in out


# download


def test_download_then_list(models: Path, hub: HubStandIn) -> None:
    code, out, err = run("download", "tiny/model", "--mirror", hub.url)
    assert code == 0
    assert f"tiny/model is here: 2 MB in {models / 'tiny--model'}" in out
    assert "serve --model tiny/model" in out
    assert "100%  2 MB of 2 MB" in err
    assert "\r" not in err, "no redrawing where the output is no terminal"
    assert "tiny/model" in run("list")[1]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("no/such", "--mirror", "{hub}"), "has no model named no/such"),
        (("tiny/model", "--mirror", "http://127.0.0.1:9"), "cannot be reached"),
        (("../x",), "has no model named ../x"),
    ],
)
def test_a_download_that_fails_is_one_sentence(models: Path, hub: HubStandIn, args: tuple[str, ...], sentence: str) -> None:
    code, out, err = run("download", *(arg.format(hub=hub.url) for arg in args))
    assert (code, out) == (1, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


def test_ctrl_c_keeps_what_came(models: Path, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference import download as module

    receive = module._receive

    def interrupted(*args: Any) -> None:
        receive(*args)
        if args[3].path == "tokenizer.json":
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "_receive", interrupted)
    code, _, err = run("download", "tiny/model", "--mirror", hub.url)
    assert code == 130
    assert "goes on from here" in err
    assert "download not finished" in run("list")[1]


def test_a_disk_that_cannot_be_written_is_a_sentence(models: Path, hub: HubStandIn) -> None:
    models.parent.mkdir(parents=True)
    models.write_text("a file where a folder should be")
    code, _, err = run("download", "tiny/model", "--mirror", hub.url)
    assert code == 1
    assert str(models) in err
    assert "Traceback" not in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_on_a_terminal_is_one_line() -> None:
    from django.core.management.base import OutputWrapper

    stream = Terminal()
    bar = command._Bar(OutputWrapper(stream))
    bar.show(Progress(0, 10 * GIB, 0.0, None, "f"))
    bar.show(Progress(5 * GIB, 10 * GIB, 20 * 1024**2, 256.0, "f"))
    bar.show(Progress(10 * GIB, 10 * GIB, 20 * 1024**2, 0.0, "f"))
    bar.end()
    lines = stream.getvalue().rstrip("\n").split("\r")
    assert [line.rstrip() for line in lines] == [
        "",
        "  0%  0 MB of 10.0 GB",
        " 50%  5.0 GB of 10.0 GB  20 MB/s  4 min left",
        "100%  10.0 GB of 10.0 GB",
    ]
    assert len(lines[3]) >= len(lines[2].rstrip()), "what was longer is overwritten"


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (12_000, "3 h 20 min")])
def test_durations(seconds: float, text: str) -> None:
    assert command.duration(seconds) == text


# check


def test_a_model_that_fits_in_memory(models: Path) -> None:
    put(models / "tiny--model", TINY, 100_000)
    code, out, _ = run("check", "tiny/model")
    assert code == 0
    assert "12.0 GB of memory free of 16.0 GB" in out
    assert "runs on the processor, from memory" in out
    assert "tokens per second" in out


@pytest.mark.parametrize(
    ("computer", "code", "sentence"),
    [
        (dataclasses.replace(WITH_GPU, gpu=Gpu("NVIDIA A100", 40 * GIB, 38 * GIB)), 0, "fits on the GPU whole"),
        (WITH_GPU, 0, "lie in memory and travel to the GPU"),
        (LAPTOP, 3, "would be read from the disk for each token"),
        (dataclasses.replace(LAPTOP, ram_free=20 * GIB, bf16=True), 0, "runs on the processor"),
        (dataclasses.replace(LAPTOP, ram_free=20 * GIB), 3, "would be read from the disk"),
        (dataclasses.replace(LAPTOP, ram_free=20 * GIB, shared_memory=True), 0, "from memory"),
    ],
)
def test_where_a_7b_model_goes(models: Path, monkeypatch: pytest.MonkeyPatch, computer: Hardware, code: int, sentence: str) -> None:
    monkeypatch.setattr(hardware, "look", lambda: computer)
    folder = put(models / "Qwen--Qwen2.5-7B", QWEN_7B, BYTES_7B)
    got, out, _ = run("check", str(folder))
    assert (got, sentence in out) == (code, True), out


def test_a_longer_conversation_and_more_of_them_take_more(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "look", lambda: dataclasses.replace(LAPTOP, ram_free=17 * GIB, bf16=True))
    put(models / "Qwen--Qwen2.5-7B", QWEN_7B, BYTES_7B)
    assert run("check", "Qwen2.5-7B")[0] == 0
    assert run("check", "Qwen2.5-7B", "--context", "32768")[0] == 3
    assert run("check", "Qwen2.5-7B", "--streams", "8")[0] == 3


def test_a_gpu_that_torch_cannot_use_is_told(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "look", lambda: dataclasses.replace(LAPTOP, unused_gpu=WITH_GPU.gpu))
    put(models / "tiny--model", TINY, 100_000)
    assert "RTX 4060 is not used: the installed torch has no CUDA" in run("check", "tiny/model")[1]


def test_named_models(models: Path, settings: Any) -> None:
    folder = put(models / "tiny--model", TINY, 100_000)
    named = {
        "here": ModelConfig(name="here", path=str(folder), context_window=512),
        "pretend": ModelConfig(name="pretend", engine="fake"),
    }
    settings.CONFIG = dataclasses.replace(settings.CONFIG, models=named)
    assert "at 512 tokens" in run("check", "here")[1]
    assert run("check", "pretend")[0] == 0


def test_a_model_on_the_hub_is_checked_without_fetching_it(models: Path, hub: HubStandIn) -> None:
    hub.models["big/model"] = {"config.json": json.dumps(QWEN_7B).encode(), "model.safetensors": bytes(3_000_000)}
    code, out, _ = run("check", "big/model", "--hub", "--mirror", hub.url)
    assert code == 0
    assert "qwen2" in out
    assert set(hub.sent) == {"config.json"}
    assert not models.exists()


def test_the_hub_is_asked_only_on_request(models: Path, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    code, _, err = run("check", "tiny/model")
    assert code == 1
    assert "models download tiny/model` fetches it" in err
    assert "--hub" in err
    assert hub.requests == []
    assert run("check", "tiny/model", "--hub")[0] == 0


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (b"{", "config.json cannot be read"),
        (b"[]", "is not a JSON object"),
        (b'{"num_hidden_layers": "many"}', "no sense"),
        (b'{"num_attention_heads": 2, "hidden_size": [1]}', "no sense"),
    ],
)
def test_a_broken_config_is_a_sentence(models: Path, config: bytes, sentence: str) -> None:
    folder = put(models / "tiny--model", TINY, 100_000)
    (folder / "config.json").write_bytes(config)
    code, _, err = run("check", "tiny/model")
    assert code == 1
    assert sentence in err
    assert "Traceback" not in err


def test_an_unknown_model_is_told_with_what_there_is(models: Path) -> None:
    put(models / "tiny--model", TINY, 100_000)
    code, _, err = run("check", "huge")
    assert code == 1
    assert "There is: tiny/model." in err
    assert UnknownModel.code == "model_unknown"


# The real process


@pytest.mark.process
@pytest.mark.parametrize(
    ("args", "code"),
    [(["list"], 0), (["check", "nobody/knows"], 1), (["check"], 2), (["download", "x", "--mirror", "y"], 2), ([], 2), (["--help"], 0)],
)
def test_exit_codes_of_the_process(tmp_path: Path, args: list[str], code: int) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "manage.py", "models", *args],
        cwd=root,
        env=os.environ | {"LLMSITE_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if args == ["--help"]:
        for line in ("exit codes:", "  3    check: the model does not fit"):
            assert line in done.stdout


@pytest.mark.process
def test_a_check_needs_no_torch(tmp_path: Path) -> None:
    folder = put(tmp_path / "tiny", TINY, 100_000)
    script = (
        "import sys, django; django.setup(); from django.core.management import call_command; "
        f"call_command('models', 'check', {str(folder)!r}); assert 'torch' not in sys.modules; assert 'huggingface_hub' not in sys.modules"
    )
    env = os.environ | {"LLMSITE_DATA": str(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": "llmsite.settings"}
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
