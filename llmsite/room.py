"""Memory for several models: what a model will take, what is free, and how to give back what an unloaded one leaves behind."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol, runtime_checkable

from inference import hardware
from inference.engine import Engine
from inference.errors import EngineError
from inference.fit import GPU_SHARE, RAM_SHARE, estimate, read_config, weight_files
from inference.hardware import Hardware, bytes_per_weight
from llmsite.config import Config, ModelConfig
from llmsite.engines import bits_of, folder_of


@runtime_checkable
class Sharer(Protocol):
    """An engine whose cache grows with its conversations, into memory that others may need."""

    @property
    def cache_bytes(self) -> int: ...

    def share_cache(self, models: int) -> None: ...


Room = Literal["fits", "short", "never"]

LONGEST_CONTEXT = 32_768
"""A window that nobody asked for is at most so long: transformers_engine.DEFAULT_CONTEXT."""
WIDTHS = {"fp32": 4, "bf16": 2, "fp16": 2}


def room_for(config: Config, model: ModelConfig, loaded: Sequence[Engine]) -> Room:
    """Whether `model` fits beside `loaded`, fits only when some of them go, or would not even then.

    Looks at files and asks the system, the GPU's driver too: to be called in a thread.
    """
    if model.engine != "transformers":
        return "fits"
    try:
        computer = hardware.look()
        weights, cache = bytes_needed(config, model, computer)
    except (EngineError, TypeError, ValueError, ArithmeticError, AttributeError, OSError):
        return "fits"  # loading it will say what is wrong with it
    gpu = computer.gpu if model.device == "auto" or model.device.startswith("cuda") else None
    free, share = (gpu.free, GPU_SHARE) if gpu else (computer.ram_free, RAM_SHARE)
    freed = sum(engine.info.memory_bytes or 0 for engine in loaded)
    promised = sum(engine.cache_bytes for engine in loaded if isinstance(engine, Sharer)) // (len(loaded) + 1)
    if weights + cache <= free * share - promised:
        return "fits"
    # Alone it would take a smaller window where there is no room for a full conversation.
    return "short" if weights <= (free + freed) * share or model.offload else "never"


def bytes_needed(config: Config, model: ModelConfig, computer: Hardware) -> tuple[int, int]:
    """Its weights as they will lie in memory, and the cache of one conversation that fills its window. Raises EngineError."""
    folder = folder_of(config, model)
    raw, weight_bytes = read_config(folder), sum(path.stat().st_size for path in weight_files(folder))
    if model.device == "cpu":
        computer = replace(computer, gpu=None, shared_memory=False)
    width = WIDTHS.get(model.dtype) or bytes_per_weight(raw, computer, weight_bytes)
    report = estimate(
        raw, weight_bytes=weight_bytes, gpu_bytes=None, ram_bytes=computer.ram_free, context=1, dtype_bytes=width, bits=bits_of(config, model)
    )
    window = min(model.context_window or LONGEST_CONTEXT, report.context_limit or LONGEST_CONTEXT)
    return report.weight_bytes, window * report.kv_bytes_per_token


def give_back() -> None:
    """Hand unused memory back to the system and the GPU's driver. Python and the allocators below it would keep it for themselves."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; others have none
        if trim is not None:
            trim(0)
