"""A finished stage in the forms that others read: `python -m micromind.export --model FOLDER --output FOLDER [--onnx] [--gguf]`.

Always: safetensors in bf16 with tokenizer, chat template and sampling defaults. --onnx by torch.onnx, checked with onnxruntime; --gguf
by the gguf library, for llama.cpp and its kin.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from micromind import config, folders
from micromind.problems import StageError, command

log = logging.getLogger(__name__)

WEIGHTS = "model.safetensors"


def export(source: Path, target: Path, *, dtype: str = "bfloat16") -> int:
    """Write weights (in `dtype`), tokenizer, chat template and sampling defaults; returns the folder's size in bytes."""
    model, tokenizer = folders.load(source, dtype=dtype)
    if config.TURN_END in tokenizer.get_vocab() and config.THINK_START in tokenizer.get_vocab():
        tokenizer.chat_template = config.CHAT_TEMPLATE
    target.mkdir(parents=True, exist_ok=True)
    folders.publish(target, model, tokenizer)
    for name in (folders.RECORD, "evaluation.json"):
        if (record := folders.read_record(source, name)) and source.resolve() != target.resolve():
            folders.write_record(target, record, name)
    return sum(file.stat().st_size for file in target.iterdir() if file.is_file())


class _Logits(torch.nn.Module):
    """What ONNX gets: token ids in, logits out, no cache."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, use_cache=False).logits


def to_onnx(source: Path, file: Path) -> float:
    """Write a graph of [rows, tokens] → logits without a cache; returns its greatest difference from torch's, run by onnxruntime.

    Raises StageError where the libraries are missing.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as error:
        raise StageError(f"--onnx needs {error.name}: pip install -r requirements-train.txt") from error
    model, _ = folders.load(source)
    model.config._attn_implementation = "eager"
    ids = torch.randint(0, model.config.vocab_size, (2, 12))
    program = torch.onnx.export(
        _Logits(model).eval(), (ids,), dynamo=True, input_names=["input_ids"], output_names=["logits"],
        dynamic_shapes={"input_ids": {0: torch.export.Dim("rows", max=1024), 1: torch.export.Dim("tokens", max=config.CONTEXT)}},
    )  # fmt: skip
    program.save(str(file))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    other = torch.randint(0, model.config.vocab_size, (1, 7))
    with torch.inference_mode():
        expected = model(input_ids=other, use_cache=False).logits.numpy()
    return float(np.abs(session.run(["logits"], {"input_ids": other.numpy()})[0] - expected).max())


def to_gguf(source: Path, file: Path) -> None:
    """Write weights in f16 (norms in f32), tokenizer and chat template as one file. Qwen3 networks only; raises StageError for another."""
    try:
        import gguf
    except ImportError as error:
        raise StageError("--gguf needs gguf: pip install -r requirements-train.txt") from error
    model, tokenizer = folders.load(source)
    if model.config.model_type != "qwen3":
        raise StageError(f"--gguf knows Qwen3 networks, and {source} is {model.config.model_type}. llama.cpp's own converter knows more.")
    writer = gguf.GGUFWriter(str(file), "qwen3")
    _gguf_shape(writer, model)
    _gguf_tokenizer(writer, tokenizer)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, model.config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        place = names.get_name(name, try_suffixes=(".weight",))
        writer.add_tensor(place, tensor.numpy().astype(np.float32 if tensor.ndim == 1 else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf_shape(writer: object, model: PreTrainedModel) -> None:
    shape = model.config
    writer.add_name("MicroMind")
    writer.add_block_count(shape.num_hidden_layers)
    writer.add_context_length(shape.max_position_embeddings)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_attention_heads)
    writer.add_head_count_kv(shape.num_key_value_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(shape.rms_norm_eps)
    writer.add_vocab_size(shape.vocab_size)
    writer.add_file_type(1)  # mostly f16


def _gguf_tokenizer(writer: object, tokenizer: PreTrainedTokenizerBase) -> None:
    import json

    import gguf

    inner = json.loads(tokenizer.backend_tokenizer.to_str())
    control = {token["id"] for token in inner["added_tokens"] if token["special"]}
    added = {token["id"] for token in inner["added_tokens"]}
    entries = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    kinds = [gguf.TokenType.CONTROL if n in control else gguf.TokenType.USER_DEFINED if n in added else gguf.TokenType.NORMAL for _, n in entries]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in inner["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")  # byte-level BPE
    writer.add_tokenizer_pre("qwen2")  # the splitting: see tokenizer.SPLIT
    writer.add_token_list([token for token, _ in entries])
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of the trained model")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--onnx", action="store_true", help="also model.onnx")
    parser.add_argument("--gguf", action="store_true", help="also model.gguf")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    size = export(options.model, options.output)
    log.info("%s: %.1f MB", options.output, size / 1e6)
    if options.onnx:
        difference = to_onnx(options.model, options.output / "model.onnx")
        log.info("model.onnx: its logits differ from torch's by %.2g at most", difference)
    if options.gguf:
        to_gguf(options.model, options.output / "model.gguf")
        log.info("model.gguf: %.1f MB", (options.output / "model.gguf").stat().st_size / 1e6)


if __name__ == "__main__":
    main()
