"""LoRA adapters (Hu et al. 2021) on a model that others use too: y = W x + s B (A x). W is the other's own tensor, not a copy.

Reads what peft saves: adapter_config.json and adapter_model.safetensors. What is more than low-rank parts of linear layers is refused.
"""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import linear

SETTINGS = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
"""Before each name, where peft wrapped the model."""
PARTS = ("lora_A", "lora_B")


class NoAdapter(Exception):
    """The folder holds no adapter that can be used with this model. The text says why, as a clause."""


class LowRankLinear(nn.Module):
    """A linear layer and a low-rank correction of it, computed in float32.

    `inner`: the layer, plain or packed. `down`: A, [rank, in]. `up`: s B, [out, rank].
    """

    def __init__(self, inner: nn.Module, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.down, self.up = nn.Parameter(down, requires_grad=False), nn.Parameter(up, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(x)
        return result + linear(linear(x.float(), self.down), self.up).to(result.dtype)


def adapted(model: Any, folder: Path) -> tuple[Any, int]:
    """The same model with an adapter, and the bytes that the adapter takes. `model` is left as it is, and shares all its weights with the result.

    Raises NoAdapter.
    """
    pairs = _pairs(folder)
    layers = dict(model.named_modules())
    changed: dict[int, nn.Module] = {}
    for name, (down, up) in pairs.items():
        layer = layers.get(name)
        shape = (getattr(layer, "out_features", None), getattr(layer, "in_features", None))
        if layer is None or None in shape:
            raise NoAdapter(f"it changes {name}, and this model has no such linear layer")
        if (up.shape[0], down.shape[1]) != shape:
            raise NoAdapter(f"it changes {name} as a layer of {up.shape[0]} x {down.shape[1]} numbers, and here it has {shape[0]} x {shape[1]}")
        changed[id(layer)] = LowRankLinear(layer, *(part.to(model.device) for part in (down, up)))
    if any(hasattr(layer, "_hf_hook") for layer in layers.values()):
        raise NoAdapter("the model is spread over several devices")
    return _with(model, changed), sum(part.nbytes for pair in pairs.values() for part in pair)


def _with(module: nn.Module, changed: dict[int, nn.Module]) -> nn.Module:
    """A shallow copy of a tree of modules with some of them replaced: the tensors of both are the same."""
    replaced = changed.get(id(module))
    if replaced is not None:
        return replaced
    shell = copy.copy(module)
    shell._modules = {name: child and _with(child, changed) for name, child in module._modules.items()}
    return shell


def _pairs(folder: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """By the name of the layer: A, and B times its scale; float32."""
    settings = _settings(folder)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise NoAdapter(f"{WEIGHTS} cannot be read ({str(error).strip().rstrip('.')})") from error
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, dot, part = key.removeprefix(PREFIX).removesuffix(".weight").rpartition(".")
        if not dot or part not in PARTS or tensor.ndim != 2:
            raise NoAdapter(f"it holds {key}, which is no low-rank part of a linear layer")
        found.setdefault(name, {})[part] = tensor
    if not found:
        raise NoAdapter("it changes nothing")
    return {name: _scaled(name, parts, settings) for name, parts in found.items()}


def _scaled(name: str, parts: dict[str, Tensor], settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    if set(parts) != set(PARTS) or parts["lora_A"].shape[0] != parts["lora_B"].shape[1]:
        raise NoAdapter(f"the two parts for {name} do not belong together")
    down, up = (parts[part].float() for part in PARTS)
    rank = down.shape[0]
    return down, up * (settings["lora_alpha"] / (math.sqrt(rank) if settings.get("use_rslora") else rank))


def _settings(folder: Path) -> dict[str, Any]:
    """adapter_config.json, if it asks for nothing that is not done here."""
    try:
        settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        float(settings["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoAdapter(f"{SETTINGS} cannot be used ({type(error).__name__}: {error})") from error
    if settings.get("peft_type") != "LORA":
        raise NoAdapter(f"it is of the kind {settings.get('peft_type')}, and LORA is expected")
    other = [name for name in ("use_dora", "use_qalora", "fan_in_fan_out", "alpha_pattern", "lora_bias", "modules_to_save") if settings.get(name)]
    if other or settings.get("bias", "none") != "none":
        raise NoAdapter(f"it uses {other[0] if other else 'bias'}, which is not supported")
    return settings
