"""Which files of a model are fetched. The listings are those of real models, shortened."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from inference.hub_files import RemoteFile, checksum, needed, weights_of


def choose(*paths: str) -> set[str]:
    return {file.path for file in needed([RemoteFile(path, 1, "git:0") for path in paths])}


QWEN = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "LICENSE", "README.md"}


@pytest.mark.parametrize(
    ("kept", "left"),
    [
        (QWEN | {"model.safetensors"}, {".gitattributes", "figures/benchmark.jpg", "assets/config.json"}),
        (
            QWEN | {"model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"},
            {"pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin", "consolidated.safetensors", "original/consolidated.00.pth"},
        ),
        (
            {"config.json", "pytorch_model.bin", "tokenizer.model"},
            {"tf_model.h5", "flax_model.msgpack", "rust_model.ot", "training_args.bin", "optimizer.pt"},
        ),
        ({"config.json", "pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"}, {"onnx/model.onnx", "onnx/config.json", "q4.gguf"}),
        ({"config.json", "model.safetensors", "chat_template.jinja"}, {"model.fp16.safetensors", "modeling_custom.py", "runs/events.out"}),
        ({"config.json", "weights.safetensors", "additional_chat_templates/rag.jinja"}, {"additional_chat_templates/x.py"}),
    ],
)
def test_one_set_of_weights_and_what_belongs_to_it(kept: set[str], left: set[str]) -> None:
    assert choose(*kept, *left) == kept


@pytest.mark.parametrize(
    "path", ["../config.json", "/etc/config.json", "additional_chat_templates/../../x.jinja", "c:config.json", "..\\config.json"]
)
def test_paths_that_lead_out_are_never_fetched(path: str) -> None:
    assert choose(path) == set()


def test_the_small_files_come_first() -> None:
    files = needed([RemoteFile("model.safetensors", 9, "sha256:0"), RemoteFile("config.json", 1, "git:0")])
    assert [file.path for file in files] == ["config.json", "model.safetensors"]
    assert [file.path for file in weights_of(files)] == ["model.safetensors"]


def test_checksums_are_the_hubs(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"hello\n")
    small = RemoteFile.of(SimpleNamespace(path="x", size=6, blob_id="ce013625030ba8dba906f756967f9e9ca394464a", lfs=None))
    assert checksum(path, small) == small.checksum, "git hash-object gives this for the same file"
    large = RemoteFile.of(
        SimpleNamespace(path="x", size=130, blob_id="0", lfs=SimpleNamespace(size=6, sha256=hashlib.sha256(b"hello\n").hexdigest()))
    )
    assert large.size == 6
    assert checksum(path, large) == large.checksum
    path.write_bytes(b"hellO\n")
    assert checksum(path, large) != large.checksum
    assert checksum(path, small) != small.checksum
