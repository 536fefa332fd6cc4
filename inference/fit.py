"""Whether a model fits on this computer, and what it will cost, told from its config and its file sizes alone.

Nothing here imports torch and no weight is read, so the answer comes before a long load instead of after it failed.

Method. Decoding one token reads every active weight once, so its time is bytes ÷ bandwidth of wherever the bytes lie, plus a fixed cost per
layer for launching operators. Weights fill the GPU first, then RAM, then the disk, the way accelerate's `device_map="auto"` places them.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from inference.errors import BrokenModel, ModelNotFound

Placement = Literal["gpu", "gpu+ram", "ram", "disk"]

GIB = 1024**3
GPU_SHARE = 0.9
"""Of the free GPU memory: the rest goes to activations and the allocator's fragmentation."""
RAM_SHARE = 0.9
PCIE_BYTES_PER_S = 12e9
"""Weights parked in RAM travel to the GPU for each token; a laptop's PCIe 4.0 x8 link gives about this."""
ASSUMED_GPU_BYTES_PER_S = 250e9
ASSUMED_RAM_BYTES_PER_S = 20e9
ASSUMED_DISK_BYTES_PER_S = 0.5e9
EFFICIENCY = 0.5
"""Stock operators reach about half of what the memory gives (measured on two server CPUs; see docs/engine-notes.md)."""
NATIVE_EFFICIENCY = 0.85
"""The decoder in C reads weights about as fast as the memory gives them."""
LAYER_OVERHEAD_S = 0.3e-3
"""Python and operator launches per layer and step, on a CPU."""
NATIVE_OVERHEAD_S = 0.02e-3
NATIVE_FAMILIES = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3"})
"""Kinds of model that the decoder in C knows (native_decoder.py)."""
QUANTIZED_BYTES = {8: 8.5 / 8, 4: 4.5 / 8}
"""Of one weight; in 4 bits the embedding and the output layer take 8."""
BF16_PAYS_FROM = 5_000_000
"""Weights from which on bfloat16 beats float32 on a CPU with instructions for it (docs/engine-notes.md: 1.3 to 2 times at 8.7 million); a model for
tests stays exact."""

DTYPE_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "float8_e4m3fn": 1}


@dataclass(frozen=True, slots=True)
class FitReport:
    """What loading and running a model costs. All sizes in bytes."""

    model_type: str
    parameters: int
    """About how many weights there are."""
    weight_bytes: int
    """As they will lie in memory."""
    active_bytes: int
    """Read for each token (fewer than all in a mixture of experts, and embeddings that are only looked up are not counted)."""
    kv_bytes_per_token: int
    """The cache that one token of one conversation takes."""
    context: int
    """The context window this was estimated for."""
    context_limit: int | None
    """The longest that the model was made for."""
    kv_bytes: int
    """The cache of one conversation that fills `context`."""
    on_gpu: int
    in_ram: int
    on_disk: int
    """Weight bytes in each place."""
    placement: Placement
    """`disk` means that weights would be read from the disk again for each token."""
    fits: bool
    """True when no weight has to be read from the disk for each token."""
    tokens_per_second: float
    """Expected, for one answer."""
    lines: tuple[str, ...]
    """The same, in plain English."""


def estimate(
    folder_or_config: Path | dict[str, Any],
    *,
    weight_bytes: int | None = None,
    gpu_bytes: int | None,
    ram_bytes: int,
    context: int | None = None,
    streams: int = 1,
    dtype_bytes: int | None = None,
    gpu_bandwidth: float | None = None,
    ram_bandwidth: float | None = None,
    disk_bandwidth: float | None = None,
    native: bool = False,
    bits: int | None = None,
) -> FitReport:
    """Estimate from a model folder (config.json and the sizes of its weight files) or from a config alone.

    `weight_bytes`: the files' total, where they are not here to be looked at. `gpu_bytes`/`ram_bytes`: free memory; `gpu_bytes` None or 0: no
    GPU. `context`: None takes the model's own limit. `streams`: conversations whose cache must fit at once. `dtype_bytes`: bytes per weight
    after loading (4 when a 16-bit file is loaded as float32); None keeps the file's. Bandwidths in bytes/s; None assumes a modest computer's.
    `native`: there is a C compiler, for kinds of model that are decoded in C. `bits`: of a quantised weight.
    Raises ModelNotFound or BrokenModel where a folder has no readable config.
    """
    folder = folder_or_config if isinstance(folder_or_config, Path) else None
    config = read_config(folder) if folder is not None else dict(folder_or_config)  # type: ignore[arg-type]
    text = text_config(config)
    file_width = _file_width(config)
    width = dtype_bytes or file_width
    if weight_bytes is None and folder is not None:
        weight_bytes = sum(path.stat().st_size for path in weight_files(folder))
    parameters = int(weight_bytes / file_width) if weight_bytes else count_parameters(text)
    weights = quantized_bytes(text, parameters, bits) if bits else int(parameters * width)
    kv_token = kv_bytes_per_token(text, max(2, int(width)))
    limit = text.get("max_position_embeddings")
    context_limit = int(limit) if limit else None
    window = context or context_limit or 4096
    kv = kv_token * window

    active = _active_bytes(text, weights, weights / parameters if bits and parameters else width)
    on_gpu, in_ram, on_disk = _place(weights, kv * streams, gpu_bytes or 0, ram_bytes)
    seconds = _seconds_per_token(
        active / weights if weights else 0.0,
        (on_gpu, in_ram, on_disk),
        _layers(text),
        gpu=gpu_bandwidth or ASSUMED_GPU_BYTES_PER_S,
        ram=ram_bandwidth or ASSUMED_RAM_BYTES_PER_S,
        disk=disk_bandwidth or ASSUMED_DISK_BYTES_PER_S,
        native=native and not gpu_bytes and config.get("model_type") in NATIVE_FAMILIES,
    )
    placement: Placement = "disk" if on_disk else "ram" if not on_gpu else "gpu+ram" if in_ram else "gpu"
    report = FitReport(
        model_type=str(config.get("model_type", "unknown")),
        parameters=parameters,
        weight_bytes=weights,
        active_bytes=active,
        kv_bytes_per_token=kv_token,
        context=window,
        context_limit=context_limit,
        kv_bytes=kv,
        on_gpu=on_gpu,
        in_ram=in_ram,
        on_disk=on_disk,
        placement=placement,
        fits=on_disk == 0,
        tokens_per_second=1 / seconds,
        lines=(),
    )
    return _with_lines(report, streams=streams, gpu_bytes=gpu_bytes or 0, ram_bytes=ram_bytes)


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json. Raises ModelNotFound when there is none, BrokenModel when it is not JSON."""
    path = folder / "config.json"
    if not path.is_file():
        raise ModelNotFound(path=str(folder))
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise BrokenModel(path=str(folder), reason=f"config.json cannot be read ({error}).") from error
    if not isinstance(config, dict):
        raise BrokenModel(path=str(folder), reason="config.json is not a JSON object.")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers would load: safetensors where there are any, else PyTorch .bin files.

    Shards are those that the index names. Raises BrokenModel when one of them is missing, or when there is no weight file at all.
    """
    for single, index in (("model.safetensors", "model.safetensors.index.json"), ("pytorch_model.bin", "pytorch_model.bin.index.json")):
        if (folder / single).is_file():
            return [folder / single]
        if (folder / index).is_file():
            return _shards(folder, folder / index)
    found = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not found:
        raise BrokenModel(path=str(folder), reason="there is no weight file (model.safetensors) in it.")
    return found


def _shards(folder: Path, index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, OSError) as error:
        raise BrokenModel(path=str(folder), reason=f"{index.name} cannot be read ({error}).") from error
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise BrokenModel(path=str(folder), reason=f"{len(missing)} of {len(names)} weight files are missing, the first is {missing[0]}.")
    return [folder / name for name in names]


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part about the language model, which models that also see or hear nest one level down."""
    nested = config.get("text_config")
    return {**config, **nested} if isinstance(nested, dict) else config


def _file_width(config: dict[str, Any]) -> float:
    """Bytes per weight in the files."""
    quantization = config.get("quantization_config")
    if isinstance(quantization, dict):
        bits = quantization.get("bits") or (4 if quantization.get("load_in_4bit") else 8)
        return float(bits) / 8
    text = text_config(config)
    name = str(config.get("dtype") or config.get("torch_dtype") or text.get("dtype") or text.get("torch_dtype") or "float32")
    return DTYPE_BYTES.get(name.removeprefix("torch."), 4)


def _layers(text: dict[str, Any]) -> int:
    return int(text.get("num_hidden_layers") or text.get("n_layer") or 0)


def _heads(text: dict[str, Any]) -> tuple[int, int, int]:
    """(attention heads, key/value heads, head size)"""
    heads = int(text.get("num_attention_heads") or text.get("n_head") or 1)
    hidden = int(text.get("hidden_size") or text.get("n_embd") or 0)
    return heads, int(text.get("num_key_value_heads") or heads), int(text.get("head_dim") or hidden // heads)


def kv_bytes_per_token(text: dict[str, Any], width: int = 2) -> int:
    """Keys and values of one token in all layers that keep them all; sliding-window and linear layers do not grow with the text."""
    heads, kv_heads, head_dim = _heads(text)
    kinds = text.get("layer_types")
    growing = sum(kind == "full_attention" for kind in kinds) if isinstance(kinds, list) and kinds else _layers(text)
    if text.get("kv_lora_rank"):  # multi-head latent attention; transformers keeps the expanded heads
        size = heads * (int(text.get("qk_nope_head_dim", 0)) + int(text.get("qk_rope_head_dim", 0)) + int(text.get("v_head_dim", head_dim)))
    else:
        size = 2 * kv_heads * head_dim
    return int(growing * size * width)


def _expert_counts(text: dict[str, Any]) -> tuple[int, int]:
    """(experts in a layer, experts used for a token); (1, 1) for a dense model."""
    total = int(text.get("num_experts") or text.get("num_local_experts") or text.get("n_routed_experts") or 1)
    return total, min(total, int(text.get("num_experts_per_tok") or total))


def _sizes(text: dict[str, Any]) -> tuple[int, int, int]:
    """(one embedding matrix, attention of all layers, experts or MLPs of all layers), in weights."""
    hidden = int(text.get("hidden_size") or text.get("n_embd") or 0)
    heads, kv_heads, head_dim = _heads(text)
    experts, _ = _expert_counts(text)
    inner = int((text.get("moe_intermediate_size") if experts > 1 else None) or text.get("intermediate_size") or 4 * hidden)
    attention = hidden * head_dim * (2 * heads + 2 * kv_heads)
    return int(text.get("vocab_size") or 0) * hidden, _layers(text) * attention, _layers(text) * 3 * hidden * inner * experts


def count_parameters(text: dict[str, Any]) -> int:
    """About how many weights a decoder with this config has (norms and biases are too few to matter)."""
    embedding, attention, mlp = _sizes(text)
    return embedding * (1 if text.get("tie_word_embeddings") else 2) + attention + mlp


def quantized_bytes(text: dict[str, Any], parameters: int, bits: int) -> int:
    """What the weights take in 8 or 4 bits."""
    outer = min(parameters, _sizes(text)[0] * (1 if text.get("tie_word_embeddings") else 2))
    return int(outer * QUANTIZED_BYTES[8] + (parameters - outer) * QUANTIZED_BYTES[bits])


def _active_bytes(text: dict[str, Any], weights: int, width: float) -> int:
    embedding, _, mlp = _sizes(text)
    experts, used = _expert_counts(text)
    idle = mlp * (experts - used) / experts
    if not text.get("tie_word_embeddings"):
        idle += embedding
    return max(int(weights - idle * width), weights // 20)


def _place(weights: int, kv: int, gpu: int, ram: int) -> tuple[int, int, int]:
    """Weight bytes on (GPU, RAM, disk). The cache lies beside the first weights."""
    gpu_room = max(0, int(gpu * GPU_SHARE) - kv) if gpu else 0
    ram_room = max(0, int(ram * RAM_SHARE) - (0 if gpu_room else kv))
    on_gpu = min(weights, gpu_room)
    in_ram = min(weights - on_gpu, ram_room)
    return on_gpu, in_ram, weights - on_gpu - in_ram


def _seconds_per_token(share: float, placed: tuple[int, int, int], layers: int, *, gpu: float, ram: float, disk: float, native: bool) -> float:
    on_gpu, in_ram, on_disk = placed
    ram_speed = min(ram, PCIE_BYTES_PER_S) if on_gpu else ram * (NATIVE_EFFICIENCY if native else EFFICIENCY)
    reading = on_gpu / (gpu * EFFICIENCY) + in_ram / ram_speed + on_disk / disk
    return share * reading + layers * (NATIVE_OVERHEAD_S if native else LAYER_OVERHEAD_S)


def size(count: float) -> str:
    """A size for people: 812 MB, 1.5 GB."""
    if count >= GIB:
        return f"{count / GIB:.1f} GB"
    return f"{max(1, round(count / 1024**2))} MB" if count else "0 MB"


def _with_lines(report: FitReport, *, streams: int, gpu_bytes: int, ram_bytes: int) -> FitReport:
    where = {
        "gpu": "It fits on the GPU whole: this is the fast way.",
        "gpu+ram": f"The GPU holds {size(report.on_gpu)} of it; {size(report.in_ram)} lie in memory and travel to the GPU for each token.",
        "ram": "It runs on the processor, from memory.",
        "disk": (
            f"It does not fit in memory: {size(report.on_disk)} would be read from the disk for each token. "
            "Choose a smaller model, or say offload = true for it in llmsite.toml."
        ),
    }
    free = f"{size(gpu_bytes)} free on the GPU, " if gpu_bytes else ""
    chats = "one conversation" if streams == 1 else f"each of {streams} conversations"
    pace, lasting = _pace(report.tokens_per_second), _duration(300 / report.tokens_per_second)
    millions = f"{max(report.parameters / 1e6, 0.1):,.{0 if report.parameters >= 1e7 else 1}f} million weights"
    lines = (
        f"{report.model_type}, about {millions}: {size(report.weight_bytes)} when loaded ({free}{size(ram_bytes)} of memory free).",
        f"The cache of {chats} takes {size(report.kv_bytes)} at {report.context:,} tokens ({report.kv_bytes_per_token / 1024:.1f} kB a token).",
        where[report.placement],
        f"Expect {pace} for one answer; an answer of 300 tokens takes about {lasting}.",
    )
    return replace(report, lines=lines)


def _pace(speed: float) -> str:
    if speed < 1:
        return f"about {1 / speed:.1f} seconds per token"
    return f"about {speed:.0f} tokens per second" if speed >= 2 else "1 to 2 tokens per second"


def _duration(seconds: float) -> str:
    if seconds < 100:
        whole = max(1, round(seconds))
        return "1 second" if whole == 1 else f"{whole} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def memory_bandwidth(seconds: float = 0.15, size_bytes: int = 64 * 1024**2) -> float:
    """Bytes per second that memory moves, by copying a block larger than most caches (a copy reads and writes: it counts twice). One core."""
    source, target = bytearray(size_bytes), bytearray(size_bytes)
    view = memoryview(target)
    best = 0.0
    end = time.perf_counter() + seconds
    while True:
        began = time.perf_counter()
        view[:] = source
        now = time.perf_counter()
        best = max(best, 2 * size_bytes / (now - began))
        if now >= end:
            return best


def disk_bandwidth(path: Path, size_bytes: int = 64 * 1024**2) -> float:
    """Bytes per second from one file's end, where a page cache holds it least likely. Optimistic when it does."""
    with path.open("rb", buffering=0) as file:
        file.seek(max(0, path.stat().st_size - size_bytes))
        began = time.perf_counter()
        count = 0
        while block := file.read(4 * 1024**2):
            count += len(block)
    return count / max(time.perf_counter() - began, 1e-9)
