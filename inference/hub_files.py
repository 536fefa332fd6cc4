"""Which of a model's files on a hub are needed to run it, and whether one has arrived whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

SAFETENSORS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
PYTORCH = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")
OTHER_WEIGHTS = re.compile(
    r".*\.(safetensors|bin|pt|pth|ckpt|gguf|onnx|onnx_data|h5|msgpack|ot|tflite|mlmodel)(\.index\.json)?|.*\.index\.json", re.I
)
SMALL_FILES = re.compile(r".*\.(json|jinja|txt|model|tiktoken|md)|LICEN[CS]E.*|NOTICE.*|USE_POLICY.*", re.I)
TEMPLATES = "additional_chat_templates"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    path: str
    size: int
    checksum: str
    """`sha256:…` for a large file, `git:…` (the SHA-1 of the git blob) for a small one: what the hub tells for each."""

    @classmethod
    def of(cls, entry: Any) -> RemoteFile:
        """From huggingface_hub's RepoFile."""
        if entry.lfs is not None:
            return cls(entry.path, entry.lfs.size, f"sha256:{entry.lfs.sha256}")
        return cls(entry.path, entry.size, f"git:{entry.blob_id}")


def needed(files: Iterable[RemoteFile]) -> list[RemoteFile]:
    """Weights in one format (safetensors before .bin), config, tokenizer, templates, licence; the small ones first.

    Left out: the same weights in other formats, checkpoints of the training, pictures, programs. Paths that lead out of the folder never.
    """
    inside = [file for file in files if not _leads_out(file.path)]
    top = [file for file in inside if "/" not in file.path]
    weights = _weights(top)
    small = [file for file in top if SMALL_FILES.fullmatch(file.path) and not OTHER_WEIGHTS.fullmatch(file.path)]
    templates = [file for file in inside if file.path.startswith(f"{TEMPLATES}/") and file.path.endswith(".jinja")]
    index = [file for file in top if file.path in _index_names(weights)]
    return sorted(small + templates + index, key=lambda file: file.path) + sorted(weights, key=lambda file: file.path)


def weights_of(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """The weights among files."""
    return _weights([file for file in files if "/" not in file.path])


def _weights(top: Sequence[RemoteFile]) -> list[RemoteFile]:
    for pattern in (SAFETENSORS, PYTORCH):
        if found := [file for file in top if pattern.fullmatch(file.path)]:
            single = [file for file in found if "-of-" not in file.path]
            return single or found
    # "consolidated" repeats the weights in the maker's own layout
    return [file for file in top if file.path.endswith(".safetensors") and not file.path.startswith("consolidated")]


def _index_names(weights: Sequence[RemoteFile]) -> set[str]:
    sharded = [file for file in weights if "-of-" in file.path]
    return {f"{file.path.partition('-')[0]}{PurePosixPath(file.path).suffix}.index.json" for file in sharded}


def _leads_out(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return path.startswith("/") or ".." in parts or "\\" in path or ":" in path


def checksum(path: Path, file: RemoteFile) -> str:
    """The checksum of what is on the disk, of the kind that `file` has."""
    kind = file.checksum.partition(":")[0]
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(4 * 1024**2):
            digest.update(block)
    return f"{kind}:{digest.hexdigest()}"
