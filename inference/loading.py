"""Finds the device, the number type and the memory for a model, loads it, and says plainly what is wrong with a folder that cannot be loaded."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from inference.errors import BrokenModel, OutOfMemory
from inference.fit import BF16_PAYS_FROM, GPU_SHARE, NATIVE_FAMILIES, RAM_SHARE, kv_bytes_per_token, read_config, size, text_config, weight_files
from inference.light_imports import lightly
from inference.types import LoadProgress, ProgressCallback, Sampling

log = logging.getLogger(__name__)

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
BUILT_IN = Sampling(max_tokens=1024, temperature=0.7, top_p=0.9, top_k=50, min_p=0.0, repetition_penalty=1.05, stop=())
"""Where neither the model nor the configuration says anything. Sampling and a light penalty, since greedy decoding falls into loops."""
CACHE_SHARE = 0.5
"""Of the memory that is free once the weights lie there, the conversations' cache may take this much."""


ONE_THREAD_BELOW = 64 * 1024**2
"""Bytes of weights. What a core reads from its cache in a few milliseconds is not worth dividing."""


@dataclass(frozen=True, slots=True)
class Loaded:
    model: Any
    tokenizer: Any
    generation: Any
    device: str
    dtype: torch.dtype
    weight_bytes: int
    cache_bytes: int
    """What the conversations' cache may take."""
    cell_bytes: int
    """What one token of one conversation takes in it."""
    context: int | None
    """The longest text that the model was made for."""
    shared: bool = False
    """Another engine computes with the same weights: they must stay as they are."""


def load(path: Path, *, name: str, device: str, dtype: str, offload: Path | None, progress: ProgressCallback, native: bool = False) -> Loaded:
    """Load a model folder. `native`: the decoder in C is there. Raises ModelNotFound, BrokenModel or OutOfMemory with a sentence that says what is
    wrong."""
    progress(LoadProgress("looking at the model"))
    raw = read_config(path)
    files = weight_files(path)
    for file in files:
        check_weights(file, path)
    if not any((path / file).is_file() for file in TOKENIZER_FILES):
        raise BrokenModel(path=str(path), reason=f"its tokenizer is missing (expected one of {', '.join(TOKENIZER_FILES)}).")
    config = _reading(path, "its config.json cannot be used", lambda: AutoConfig.from_pretrained(path))
    tokenizer = _reading(path, "its tokenizer cannot be read", lambda: AutoTokenizer.from_pretrained(path))
    where = choose_device(device)
    file_bytes = sum(file.stat().st_size for file in files)
    kind = choose_dtype(where, dtype, _file_dtype(config), file_bytes, native=native and config.model_type in NATIVE_FAMILIES)
    weights = int(file_bytes * kind.itemsize / _file_dtype(config).itemsize) if "quantization_config" not in raw else file_bytes
    placement = _place(where, weights, name=name, offload=offload)
    progress(LoadProgress("loading the weights", 0.0))
    with weight_progress(progress):
        model = _load_weights(path, name, config, kind, placement)
    model.eval()
    model.requires_grad_(False)
    generation = _generation_config(path, model)
    weight_bytes = sum(parameter.nbytes for parameter in model.parameters())
    text = config.get_text_config(decoder=True)
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        generation=generation,
        device=_describe(where),
        dtype=model.dtype,
        weight_bytes=weight_bytes,
        cache_bytes=int(free_memory(where) * CACHE_SHARE),
        cell_bytes=max(1, kv_bytes_per_token(text_config(raw), model.dtype.itemsize)),
        context=getattr(text, "max_position_embeddings", None),
    )


def _reading(path: Path, what: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:
        log.info("%s", what, exc_info=True)
        raise BrokenModel(path=str(path), reason=f"{what} ({_first_line(error)}).") from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).strip().rstrip(".")[:200]


def check_weights(file: Path, path: Path) -> None:
    """A safetensors file says how long it must be; a download that broke off is shorter. Raises BrokenModel."""
    if file.suffix != ".safetensors":
        return
    length = file.stat().st_size
    try:
        with file.open("rb") as stream:
            header_bytes = int.from_bytes(stream.read(8), "little")
            if header_bytes > min(length, 100_000_000):
                raise ValueError("its header is cut off")
            header = json.loads(stream.read(header_bytes))
        expected = 8 + header_bytes + max((entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BrokenModel(path=str(path), reason=f"{file.name} is no safetensors file, or its download broke off ({_first_line(error)}).") from error
    if length != expected:
        raise BrokenModel(path=str(path), reason=f"{file.name} has {length:,} bytes where it says {expected:,}: its download broke off.")


# Device and number type


def choose_device(asked: str) -> torch.device:
    if asked != "auto":
        return torch.device(asked)
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_dtype(device: torch.device, asked: str, in_file: torch.dtype, file_bytes: int, *, native: bool = False) -> torch.dtype:
    """16 bits on a GPU; on a CPU bfloat16 where the model is big enough to gain and the hardware multiplies it, or where it is decoded in C, which
    reads half the bytes and multiplies what it can; else float32."""
    if asked != "auto":
        return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}.get(asked) or getattr(torch, asked)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if file_bytes / in_file.itemsize >= BF16_PAYS_FROM and (native or cpu_multiplies_bf16()) else torch.float32


def cpu_multiplies_bf16() -> bool:
    """AMX tiles or AVX-512 BF16 instructions; without them bfloat16 on a CPU is emulated and slow."""
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(probe()) for name in probes if (probe := getattr(torch.cpu, name, None)) is not None)


def _file_dtype(config: Any) -> torch.dtype:
    kind = getattr(config, "dtype", None) or getattr(config.get_text_config(decoder=True), "dtype", None)
    return kind if isinstance(kind, torch.dtype) else torch.float32


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


# Memory


def free_memory(device: torch.device) -> int:
    """Bytes free for a model there (on MPS, GPU and CPU share one memory)."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _place(device: torch.device, weights: int, *, name: str, offload: Path | None) -> dict[str, Any]:
    """The keywords of from_pretrained that put the weights where they fit. Raises OutOfMemory before anything is loaded."""
    ram = int(psutil.virtual_memory().available * RAM_SHARE)
    if device.type != "cuda":
        if weights <= ram:
            return {"device_map": {"": device}} if device.type != "cpu" else {}
        room, limits = ram, {"cpu": ram}
    else:
        gpu = int(free_memory(device) * GPU_SHARE)
        if weights <= gpu:
            return {"device_map": {"": device}}
        room, limits = gpu + ram, {device.index or 0: gpu, "cpu": ram}  # type: ignore[dict-item]
    if weights > room and offload is None:
        raise OutOfMemory(model=name, needed=size(weights), available=size(room))
    log.warning("%s needs %s and does not fit: parts of it are moved for each token, which is slow", name, size(weights))
    placed: dict[str, Any] = {"device_map": "auto", "max_memory": limits}
    return {**placed, "offload_folder": str(offload)} if weights > room else placed


def _load_weights(path: Path, name: str, config: Any, kind: torch.dtype, placement: dict[str, Any]) -> Any:
    try:
        loaded: Any = lightly(
            lambda: AutoModelForCausalLM.from_pretrained(
                path, config=config, dtype=kind, output_loading_info=True, local_files_only=True, **placement
            )
        )
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory(model=name, needed="more", available="too little") from error
    except Exception as error:
        log.info("the weights in %s cannot be loaded", path, exc_info=True)
        raise BrokenModel(path=str(path), reason=f"its weights cannot be loaded ({_first_line(error)}).") from error
    model, report = loaded
    missing = sorted(report["missing_keys"]) or sorted(str(key) for key in report["mismatched_keys"])
    if missing:
        reason = f"{len(missing)} weights are missing or have another shape than config.json says, the first is {missing[0]}."
        raise BrokenModel(path=str(path), reason=reason)
    return model


@contextmanager
def weight_progress(progress: ProgressCallback) -> Iterator[None]:
    """While it lasts, transformers' progress bar of the weights reports to `progress` instead of the terminal."""

    class Bar:
        def __init__(self, factory: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            items: Any = args[0] if args else kwargs.get("iterable")
            self._items = items
            self._total: int = kwargs.get("total") or (len(items) if hasattr(items, "__len__") else 0)
            self._done = 0
            self._said = 0

        def __iter__(self) -> Iterator[Any]:
            for item in self._items or ():
                yield item
                self.update()

        def update(self, count: int = 1) -> None:
            self._done += count
            percent = 100 * self._done // self._total if self._total else 0
            if percent > self._said:
                self._said = percent
                progress(LoadProgress("loading the weights", min(1.0, percent / 100)))

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *error: object) -> None: ...

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *args, **kwargs: None

    previous = transformers.utils.logging.set_tqdm_hook(Bar)
    try:
        yield
    finally:
        transformers.utils.logging.set_tqdm_hook(previous)


# What the model says about itself


def _generation_config(path: Path, model: Any) -> Any:
    if not (path / "generation_config.json").is_file():
        return model.generation_config
    return _reading(path, "its generation_config.json cannot be read", lambda: GenerationConfig.from_pretrained(path))


def eos_ids(generation: Any, model: Any) -> set[int]:
    """All ids that end an answer, wherever the model names them."""
    found: set[int] = set()
    for source in (generation, model.generation_config, model.config.get_text_config(decoder=True)):
        value = getattr(source, "eos_token_id", None)
        found |= set(value) if isinstance(value, (list, tuple)) else {value} if value is not None else set()
    return found


def model_defaults(generation: Any) -> Sampling:
    """The model's own sampling over the built-in one. `do_sample: false`, where it is said, is greedy."""
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
    said = {name: value for name in names if (value := getattr(generation, name, None)) is not None}
    if generation.max_new_tokens:
        said["max_tokens"] = generation.max_new_tokens
    if generation.do_sample is False and "temperature" not in said:
        said["temperature"] = 0.0
    return Sampling(**said).over(BUILT_IN)


def native_threads(weight_bytes: int) -> int:
    """How many threads decode in C: the physical cores, but two at most for a small model, whose parts are too small to share among more."""
    cores = psutil.cpu_count(logical=False) or 1
    return min(2, cores) if weight_bytes < ONE_THREAD_BELOW else cores


def choose_threads(weight_bytes: int) -> int:
    """How many threads torch computes with: the physical cores, but one for a small model, where waking another costs more than it computes and the
    web server needs that core (docs/engine-notes.md)."""
    return 1 if weight_bytes < ONE_THREAD_BELOW else psutil.cpu_count(logical=False) or 1
