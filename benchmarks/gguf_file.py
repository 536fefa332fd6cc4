"""The weights of a model folder as a GGUF file, so that llama.cpp serves the very same ones.

For decoders of the Qwen2 and Qwen3 kind with a byte-level BPE, which is what the benchmarks compare. Names and keys are those of llama.cpp's own
converter; `gguf` (PyPI) writes the file, llama.cpp itself quantises. It needs neither torch nor transformers, because llama.cpp may live in an
environment of its own: LLAMA_PYTHON -m benchmarks.gguf_file FOLDER FILE KIND
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

PLAIN = ("f32", "f16", "bf16")
QUANTISED = {"q8_0": 7, "q4_0": 2}
"""llama.cpp's numbers of these file types (llama_ftype)."""
ARCHITECTURES = ("qwen2", "qwen3")
RENAMED = {"<|endoftext|>": "<|no-text|>", "<|im_end|>": "<|turn-end|>"}
"""llama.cpp takes tokens of these names for the end of an answer, whatever the file says; so they get others, in the template as well."""
LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
NUMPY = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


def name_of(name: str) -> str:
    """A tensor's name in GGUF. Raises ValueError for one that these models do not have."""
    module, _, kind = name.rpartition(".")
    if module in WHOLE:
        return f"{WHOLE[module]}.{kind}"
    number, _, part = module.removeprefix("model.layers.").partition(".")
    if part not in LAYER or not number.isdecimal():
        raise ValueError(f"expected a tensor of a {' or '.join(ARCHITECTURES)} model, got {name}")
    return f"blk.{number}.{LAYER[part]}.{kind}"


def write(folder: Path, file: Path, kind: str) -> Path:
    """Write `folder` (transformers' format) to `file`. `kind`: one of PLAIN or of QUANTISED.

    Raises ValueError for a model or a kind that is not known.
    """
    if kind in QUANTISED:
        between = write(folder, file.with_suffix(".f16.gguf"), "f16")
        _quantise(between, file, QUANTISED[kind])
        between.unlink()
    elif kind in PLAIN:
        _write_plain(folder, file, kind)
    else:
        raise ValueError(f"expected one of {', '.join((*PLAIN, *QUANTISED))}, got {kind}")
    return file


def _write_plain(folder: Path, file: Path, kind: str) -> None:
    import gguf

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["model_type"] not in ARCHITECTURES:
        raise ValueError(f"expected a model of the kind {' or '.join(ARCHITECTURES)}, got {config['model_type']}")
    writer = gguf.GGUFWriter(file, config["model_type"])
    _describe(writer, config)
    _add_vocabulary(writer, folder, config)
    writer.add_file_type(gguf.LlamaFileType[{"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16"}[kind]])
    for name, data in tensors(folder):
        # What is not a matrix stays in 32 bits, as llama.cpp wants it.
        wanted = gguf.GGMLQuantizationType[kind.upper()] if data.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name_of(name), gguf.quants.quantize(data, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    """(name, float32 array) of all tensors of a folder's safetensors files."""
    for file in sorted(folder.glob("*.safetensors")):
        raw = np.memmap(file, dtype=np.uint8, mode="r")
        size = int(raw[:8].view("<u8")[0])
        for name, entry in json.loads(raw[8 : 8 + size].tobytes()).items():
            if name != "__metadata__":
                begin, end = (8 + size + offset for offset in entry["data_offsets"])
                yield name, _as_float(raw[begin:end], entry["dtype"]).reshape(entry["shape"])


def _as_float(raw: Any, kind: str) -> Any:
    if kind not in NUMPY:
        raise ValueError(f"expected weights in {', '.join(NUMPY)}, got {kind}")
    values = raw.view(NUMPY[kind])
    # bfloat16 is the upper half of a float32; numpy has no type for it.
    return (values.astype("<u4") << 16).view("<f4") if kind == "BF16" else values.astype("<f4")


def _describe(writer: Any, config: dict[str, Any]) -> None:
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_name("benchmark")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config.get("rope_parameters") or config
    writer.add_rope_freq_base(rope.get("rope_theta", 10_000.0))


def _add_vocabulary(writer: Any, folder: Path, config: dict[str, Any]) -> None:
    import gguf

    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokens = [f"[PAD{number}]" for number in range(config["vocab_size"])]
    kinds = [gguf.TokenType.UNUSED] * len(tokens)
    for text, number in tokenizer["model"]["vocab"].items():
        tokens[number], kinds[number] = text, gguf.TokenType.NORMAL
    for added in tokenizer.get("added_tokens", ()):
        tokens[added["id"]] = RENAMED.get(added["content"], added["content"])
        kinds[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]])
    end = config["eos_token_id"]
    writer.add_eos_token_id(end[0] if isinstance(end, list) else end)
    writer.add_add_bos_token(False)
    template = folder / "chat_template.jinja"
    if template.is_file():
        writer.add_chat_template(renamed(template.read_text(encoding="utf-8")))


def renamed(text: str) -> str:
    for usual, other in RENAMED.items():
        text = text.replace(usual, other)
    return text


def _quantise(plain: Path, file: Path, kind: int) -> None:
    """By llama.cpp's own rules: what its users run. At Q4_0 it keeps the head, which here is the embedding as well, in more bits."""
    import llama_cpp

    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype, settings.nthread = kind, 2
    if code := llama_cpp.llama_model_quantize(str(plain).encode(), str(file).encode(), settings):
        raise RuntimeError(f"llama.cpp could not quantise: {code}")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
