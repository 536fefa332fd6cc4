"""Downloading with the real huggingface_hub client from a stand-in hub on loopback (hub_standin.py says what it is)."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import huggingface_hub
import pytest
from huggingface_hub import constants

from inference import download as module
from inference.catalog import found_models, unfinished_downloads
from inference.download import Hub, Progress, download, is_complete
from tests.inference.hub_standin import HubStandIn

ROOT = Path(__file__).parents[2]
NAME = "tiny/model"
WEIGHTS = random.Random(0).randbytes(3_000_000)
CONFIG = b'{"model_type": "qwen3"}'
FILES = {
    "config.json": CONFIG,
    "tokenizer.json": b"{}" + b" " * 20_000,
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"the same again" * 1000,
    "onnx/model.onnx": b"and again" * 2000,
    "picture.png": b"png",
    "additional_chat_templates/tool.jinja": b"{{ messages }}",
}
NEEDED = {"config.json", "tokenizer.json", "model.safetensors", "additional_chat_templates/tool.jinja"}
NEEDED_BYTES = sum(len(FILES[path]) for path in NEEDED)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with HubStandIn({NAME: dict(FILES)}) as standin:
        yield standin
    huggingface_hub.close_session()


def on_disk(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != module.MANIFEST}


def test_what_is_needed_arrives_whole(hub: HubStandIn, tmp_path: Path) -> None:
    told: list[Progress] = []
    folder = download(NAME, tmp_path, mirror=hub.url, progress=told.append)
    assert folder == tmp_path / "tiny--model"
    assert on_disk(folder) == {path: FILES[path] for path in NEEDED}
    assert hub.sent["model.safetensors"] == len(WEIGHTS)
    assert [p.name for p in tmp_path.iterdir()] == ["tiny--model"], "nothing is left beside it"
    assert (told[-1].done, told[-1].total) == (NEEDED_BYTES, NEEDED_BYTES)
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert is_complete(folder)


def test_a_model_that_is_there_is_not_asked_for(hub: HubStandIn, tmp_path: Path) -> None:
    download(NAME, tmp_path, mirror=hub.url)
    hub.requests.clear()
    assert download(NAME, tmp_path, mirror=hub.url) == tmp_path / "tiny--model"
    assert hub.requests == []


def test_a_file_that_was_lost_is_fetched_again(hub: HubStandIn, tmp_path: Path) -> None:
    folder = download(NAME, tmp_path, mirror=hub.url)
    (folder / "config.json").unlink()
    hub.sent.clear()
    assert on_disk(download(NAME, tmp_path, mirror=hub.url)) == {path: FILES[path] for path in NEEDED}
    assert hub.sent == {"config.json": len(CONFIG)}


@pytest.mark.process
def test_killed_in_the_middle_it_goes_on_with_the_rest(hub: HubStandIn, tmp_path: Path) -> None:
    hub.slow_bytes_per_s = 1_000_000
    script = (
        "import sys; from pathlib import Path; from inference.download import download; download(sys.argv[1], Path(sys.argv[2]), mirror=sys.argv[3])"
    )
    process = subprocess.Popen([sys.executable, "-c", script, NAME, str(tmp_path), hub.url], env=os.environ | {"HF_HUB_OFFLINE": "0"}, cwd=ROOT)
    part = tmp_path / "tiny--model.part" / "model.safetensors.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size > 700_000):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    time.sleep(0.3)
    have = part.stat().st_size
    assert 700_000 < have < len(WEIGHTS)
    assert found_models(tmp_path, tmp_path / "none") == [], "half a model is no model"
    assert unfinished_downloads(tmp_path) == [NAME]

    hub.slow_bytes_per_s = None
    hub.sent.clear()
    told: list[Progress] = []
    folder = download(NAME, tmp_path, mirror=hub.url, progress=told.append)
    assert on_disk(folder) == {path: FILES[path] for path in NEEDED}
    assert hub.sent == {"model.safetensors": len(WEIGHTS) - have}, "only the rest is transferred"
    assert told[0].done >= have


def test_a_connection_that_breaks_is_taken_up_again(hub: HubStandIn, tmp_path: Path) -> None:
    hub.break_after = [1_000_000, 500_000, 1]
    folder = download(NAME, tmp_path, mirror=hub.url)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert sum(hub.sent.values()) == NEEDED_BYTES, "no byte twice"


def test_a_connection_that_keeps_breaking_is_told_and_loses_nothing(hub: HubStandIn, tmp_path: Path) -> None:
    hub.break_after = [25_000, 1_000_000] + [0] * 20
    with pytest.raises(module.HubBroke, match="goes on where it stopped"):
        download(NAME, tmp_path, mirror=hub.url)
    hub.break_after, hub.sent = [], {}
    assert (download(NAME, tmp_path, mirror=hub.url) / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.sent["model.safetensors"] == len(WEIGHTS) - 1_000_000


def test_a_server_without_ranges_starts_the_file_anew(hub: HubStandIn, tmp_path: Path) -> None:
    hub.ranges, hub.break_after = False, [25_000, 1_000_000]
    told: list[Progress] = []
    folder = download(NAME, tmp_path, mirror=hub.url, progress=told.append)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert told[-1].done == NEEDED_BYTES


def test_a_model_that_changed_meanwhile_keeps_only_what_is_the_same(hub: HubStandIn, tmp_path: Path) -> None:
    hub.break_after = [25_000, 1_000_000] + [0] * 20
    with pytest.raises(module.HubBroke):
        download(NAME, tmp_path, mirror=hub.url)
    newer = random.Random(1).randbytes(len(WEIGHTS))
    hub.models[NAME]["model.safetensors"], hub.revision = newer, "b" * 40
    hub.break_after, hub.sent = [], {}
    folder = download(NAME, tmp_path, mirror=hub.url)
    assert (folder / "model.safetensors").read_bytes() == newer
    assert set(hub.sent) == {"model.safetensors"}


@pytest.mark.parametrize("damaged", ["model.safetensors", "config.json"])
def test_damaged_files_are_told_and_removed(hub: HubStandIn, tmp_path: Path, damaged: str) -> None:
    hub.models[NAME] = {"config.json": CONFIG, "model.safetensors": WEIGHTS}
    if damaged == "model.safetensors":
        hub.break_after = [1_000_000] + [0] * 20
        with pytest.raises(module.HubBroke):
            download(NAME, tmp_path, mirror=hub.url)
        hub.break_after = []
    hub.spoil = True
    with pytest.raises(module.Damaged, match=damaged):
        download(NAME, tmp_path, mirror=hub.url)
    hub.spoil = False
    assert on_disk(download(NAME, tmp_path, mirror=hub.url)) == {"config.json": CONFIG, "model.safetensors": WEIGHTS}


# What goes wrong, each a sentence


def test_a_name_that_the_hub_does_not_have(hub: HubStandIn, tmp_path: Path) -> None:
    with pytest.raises(module.HubModelUnknown, match="no model named no/such"):
        download("no/such", tmp_path, mirror=hub.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../../etc", "a/b/c", "a b", "/abs", "a--b/c", "x/.."])
def test_what_is_no_name_never_reaches_the_hub_or_the_disk(hub: HubStandIn, tmp_path: Path, name: str) -> None:
    with pytest.raises(module.HubModelUnknown):
        download(name, tmp_path, mirror=hub.url)
    assert hub.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_model_behind_terms(hub: HubStandIn, tmp_path: Path, status: int) -> None:
    hub.gated.add(NAME)
    with pytest.raises(module.HubGated, match="accepted its terms"):
        download(NAME, tmp_path, mirror=hub.url)


def test_a_hub_that_fails(hub: HubStandIn, tmp_path: Path) -> None:
    hub.status[NAME] = 500
    with pytest.raises(module.HubFailed, match="status 500"):
        download(NAME, tmp_path, mirror=hub.url)


def test_a_hub_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(module.HubUnreachable, match="--mirror"):
            download(NAME, tmp_path, mirror=url)


def test_offline_is_obeyed(hub: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(module.HubOffline, match="HF_HUB_OFFLINE"):
        download(NAME, tmp_path, mirror=hub.url)
    assert hub.requests == []


def test_a_model_without_weights_of_a_kind_that_loads(hub: HubStandIn, tmp_path: Path) -> None:
    hub.models[NAME] = {"config.json": CONFIG, "model-q4.gguf": WEIGHTS}
    with pytest.raises(module.NoWeights, match=r"found \.gguf"):
        download(NAME, tmp_path, mirror=hub.url)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk_is_seen_before_the_first_byte(hub: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage(10, 10, module.SPARE_BYTES + NEEDED_BYTES - 1))
    with pytest.raises(module.NoSpace, match="too full for tiny/model: 3 MB"):
        download(NAME, tmp_path, mirror=hub.url)
    assert hub.sent == {}


def test_a_disk_that_fills_up_meanwhile(hub: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_receive", full)
    with pytest.raises(module.NoSpace):
        download(NAME, tmp_path, mirror=hub.url)


def test_two_downloads_of_one_model(hub: HubStandIn, tmp_path: Path) -> None:
    with filelock.FileLock(tmp_path / ".tiny--model.part.lock"), pytest.raises(module.AlreadyDownloading):
        download(NAME, tmp_path, mirror=hub.url)


# Who is asked


def test_only_the_mirror_is_asked_and_without_the_token(hub: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    asked: list[Any] = []
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda address, *args, **more: (asked.append(address[0]), connect(address, *args, **more))[1])
    download(NAME, tmp_path, mirror=hub.url + "/")
    assert set(asked) == {"127.0.0.1"}
    assert hub.requests
    assert not any("authorization" in headers for _, _, headers in hub.requests)


def test_the_clients_own_setting_is_the_default_and_gets_the_token(hub: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    download(NAME, tmp_path)
    assert all(headers["authorization"] == "Bearer hf_secret" for _, _, headers in hub.requests)


def test_metadata_alone(hub: HubStandIn) -> None:
    remote = Hub(hub.url).look_up(NAME)
    assert remote.weight_bytes == len(WEIGHTS)
    assert remote.total_bytes == NEEDED_BYTES
    assert Hub(hub.url).read_json(remote, "config.json") == json.loads(CONFIG)
    assert hub.sent == {"config.json": len(CONFIG)}
