"""A decoder of the Llama kind as the C code wants it: which models it can be, its weights, and one call for a forward pass."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int32, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from inference.fit import NATIVE_FAMILIES
from inference.quantize import BLOCK, KINDS, Packed

QUANTIZED = {8: 2, 4: 3}
ROPES = frozenset({"default", "linear", "llama3", "yarn"})
"""Whose frequencies are the same for every length of text."""
LANES = 16
"""The size of a head is a multiple of this,"""
PLACES = 32
"""and the places of the cache are one of this."""


class NotNative(Exception):
    """The C code does not know such a model. The text says why."""


class Matrix(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("scales", c_void_p),
        ("bias", c_void_p),
        ("out", c_int64),
        ("in_", c_int64),
        ("kind", c_int32),
        ("unused", c_int32),
    ]


class Layer(ctypes.Structure):
    _fields_ = [
        *((name, Matrix) for name in ("q", "k", "v", "o", "gate", "up", "down")),
        *((name, c_void_p) for name in ("before_attention", "before_mlp", "q_norm", "k_norm")),
    ]


class Shape(ctypes.Structure):
    _fields_ = [
        *((name, c_int32) for name in ("layers", "heads", "kv_heads", "head", "hidden", "inner", "vocabulary", "threads")),
        ("epsilon", c_float),
        ("rope_scale", c_float),
        ("cache_kind", c_int32),
        ("unused", c_int32),
        ("embedding", Matrix),
        ("output", Matrix),
        ("frequencies", c_void_p),
        ("last_norm", c_void_p),
        ("layer", ctypes.POINTER(Layer)),
    ]


class Cache(ctypes.Structure):
    _fields_ = [("keys", c_void_p), ("values", c_void_p), ("places", c_int64)]


class NativeDecoder:
    """Owns what the C code points to. Not thread-safe: one forward pass at a time.

    `model`: a transformers model on the CPU, whose weights are shared, not copied. `packed`: for each linear layer and the embedding that is
    quantised, its packed weights by module name. Raises NotNative.
    """

    def __init__(self, model: Any, library: ctypes.CDLL, *, threads: int, packed: dict[str, Packed] | None = None) -> None:
        self.library = library
        self._kept: list[Any] = []
        self._packed = packed or {}
        self._handle: int | None = None
        check(model)
        config, base = model.config, model.model
        self.head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.layers, self.kv_heads, self.vocabulary = config.num_hidden_layers, config.num_key_value_heads, model.lm_head.out_features
        self.dtype: torch.dtype = model.dtype
        layers = (Layer * self.layers)(*(self._layer(f"model.layers.{i}", layer) for i, layer in enumerate(base.layers)))
        self._kept.append(layers)
        shape = Shape(
            layers=self.layers,
            heads=config.num_attention_heads,
            kv_heads=self.kv_heads,
            head=self.head,
            hidden=config.hidden_size,
            inner=config.intermediate_size,
            vocabulary=self.vocabulary,
            threads=threads,
            epsilon=config.rms_norm_eps,
            rope_scale=float(base.rotary_emb.attention_scaling),
            cache_kind=KINDS[self.dtype],
            embedding=self._matrix("model.embed_tokens", base.embed_tokens.weight, None),
            output=self._matrix("lm_head", model.lm_head.weight, model.lm_head.bias),
            frequencies=self._vector(base.rotary_emb.inv_freq),
            last_norm=self._vector(base.norm.weight),
            layer=layers,
        )
        self._handle = library.llmsite_decoder_new(ctypes.byref(shape))
        if not self._handle:
            raise MemoryError("the decoder in C found no memory")

    def _layer(self, name: str, layer: Any) -> Layer:
        attention, mlp = layer.self_attn, layer.mlp
        linear = {
            short: self._matrix(f"{name}.{where}.{short}_proj", module.weight, module.bias)
            for where, owner, shorts in (("self_attn", attention, "qkvo"), ("mlp", mlp, ("gate", "up", "down")))
            for short in shorts
            for module in [getattr(owner, f"{short}_proj")]
        }
        return Layer(
            **linear,
            before_attention=self._vector(layer.input_layernorm.weight),
            before_mlp=self._vector(layer.post_attention_layernorm.weight),
            q_norm=self._vector(attention.q_norm.weight) if hasattr(attention, "q_norm") else None,
            k_norm=self._vector(attention.k_norm.weight) if hasattr(attention, "k_norm") else None,
        )

    def _vector(self, tensor: Tensor | None) -> int | None:
        if tensor is None:
            return None
        kept = tensor.detach().float().contiguous()
        self._kept.append(kept)
        return kept.data_ptr()

    def _matrix(self, name: str, weight: Tensor, bias: Tensor | None) -> Matrix:
        if (packed := self._packed.get(name)) is not None:
            self._kept.append(packed)
            kind, out, in_ = QUANTIZED[packed.bits], packed.data.shape[0], packed.scales.shape[1] * BLOCK // 4
            return Matrix(packed.data.data_ptr(), packed.scales.data_ptr(), self._vector(bias), out, in_, kind)
        data = weight.data
        if not data.is_contiguous() or data.dtype not in KINDS:
            raise NotNative(f"{name} has weights of the type {data.dtype}")
        self._kept.append(weight)
        return Matrix(data.data_ptr(), None, self._vector(bias), data.shape[0], data.shape[1], KINDS[data.dtype])

    def forward(
        self, tokens: Sequence[int], rows: Sequence[int], places: Sequence[int], outputs: Sequence[int], keys: list[Tensor], values: list[Tensor]
    ) -> Tensor:
        """Token i goes to place `places[i]` of row `rows[i]`; tokens of one row in the order of their places. Returns the logits behind the tokens
        `outputs` (rising), [outputs, vocabulary], float32. `keys`: for each layer [rows, kv heads, head, places]; `values`: [rows, kv heads, places,
        head]. Raises MemoryError."""
        count = len(tokens)
        ints = c_int32 * count
        pointers = c_void_p * self.layers
        blocks = (pointers(*map(Tensor.data_ptr, keys)), pointers(*map(Tensor.data_ptr, values)))
        cache = Cache(*(ctypes.cast(block, c_void_p) for block in blocks), keys[0].shape[3])
        logits = torch.empty((len(outputs), self.vocabulary))
        wanted = (c_int32 * len(outputs))(*outputs)
        failed = self.library.llmsite_decoder_forward(
            self._handle, ctypes.byref(cache), count, ints(*tokens), ints(*rows), ints(*places), len(outputs), wanted, logits.data_ptr()
        )
        if failed:
            raise MemoryError("the decoder in C found no memory")
        return logits

    @property
    def weight_bytes(self) -> int:
        """Of everything that the C code points to, each tensor once."""
        tensors = {id(kept): kept.nbytes for kept in self._kept if isinstance(kept, Tensor | Packed)}
        return sum(tensors.values())

    def close(self) -> None:
        if self._handle:
            self.library.llmsite_decoder_free(self._handle)
        self._handle = None

    def __del__(self) -> None:
        self.close()


def check(model: Any) -> None:
    """Raises NotNative where the C code computes something else than this model."""
    config = model.config
    if config.model_type not in NATIVE_FAMILIES:
        raise NotNative(f"it is a {config.model_type}")
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    for fine, why in (
        (all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers), "its layers do not keep everything"),
        (model.device.type == "cpu" and not hasattr(model, "hf_device_map"), "it does not lie in this computer's memory"),
        (model.dtype in KINDS, f"its weights are {str(model.dtype).removeprefix('torch.')}"),
        (config.hidden_act == "silu", f"it uses {config.hidden_act}"),
        (head % LANES == 0, f"its heads have {head} dimensions"),
        (rope in ROPES, f"its positions are of the kind {rope}"),
        (type(getattr(model, "lm_head", None)) is nn.Linear, "it has no plain output layer"),
    ):
        if not fine:
            raise NotNative(why)
    if model.model.rotary_emb.inv_freq.numel() * 2 != head:
        raise NotNative("it turns only a part of each head")
