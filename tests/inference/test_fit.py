from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inference.errors import BrokenModel, ModelNotFound
from inference.fit import GIB, count_parameters, disk_bandwidth, estimate, kv_bytes_per_token, memory_bandwidth, weight_files

QWEN25_05B: dict[str, Any] = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
R1_32B: dict[str, Any] = {
    "model_type": "qwen2",
    "hidden_size": 5120,
    "intermediate_size": 27648,
    "num_hidden_layers": 64,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "vocab_size": 152064,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}


def folder_with(tmp_path: Path, config: dict[str, Any], **files: int) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(config))
    for name, length in files.items():
        (tmp_path / name.replace("__", ".").replace("_of_", "-of-")).write_bytes(b"\0" * length)
    return tmp_path


def test_counts_the_weights_of_known_models() -> None:
    assert count_parameters(QWEN25_05B) == pytest.approx(494e6, rel=0.01)
    assert count_parameters(R1_32B) == pytest.approx(32.8e9, rel=0.01)


def test_cache_per_token_of_a_known_model() -> None:
    assert kv_bytes_per_token(QWEN25_05B, 2) == 24 * 2 * 2 * 64 * 2


def test_only_full_attention_layers_grow() -> None:
    hybrid = {**QWEN25_05B, "layer_types": ["full_attention"] * 6 + ["sliding_attention"] * 18}
    assert kv_bytes_per_token(hybrid, 2) == kv_bytes_per_token(QWEN25_05B, 2) // 4


@pytest.mark.parametrize(
    ("gpu", "ram", "placement", "fits"),
    [
        (80 * GIB, 64 * GIB, "gpu", True),
        (16 * GIB, 64 * GIB, "gpu+ram", True),
        (None, 128 * GIB, "ram", True),
        (16 * GIB, 32 * GIB, "disk", False),
        (None, 8 * GIB, "disk", False),
    ],
)
def test_says_where_a_32b_model_would_lie(gpu: int | None, ram: int, placement: str, fits: bool) -> None:
    report = estimate(R1_32B, gpu_bytes=gpu, ram_bytes=ram, context=4096)
    assert (report.placement, report.fits) == (placement, fits)
    assert report.on_gpu + report.in_ram + report.on_disk == report.weight_bytes
    assert any("disk" in line for line in report.lines) is not fits


def test_each_slower_place_makes_it_slower() -> None:
    speeds = [
        estimate(R1_32B, gpu_bytes=gpu, ram_bytes=ram, context=4096).tokens_per_second
        for gpu, ram in ((80 * GIB, 64 * GIB), (16 * GIB, 64 * GIB), (16 * GIB, 32 * GIB))
    ]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[2] < 0.1 < speeds[0]


def test_a_wider_type_in_memory_doubles_weights_and_cache() -> None:
    narrow = estimate(QWEN25_05B, gpu_bytes=0, ram_bytes=16 * GIB, context=2048)
    wide = estimate(QWEN25_05B, gpu_bytes=0, ram_bytes=16 * GIB, context=2048, dtype_bytes=4)
    assert (wide.weight_bytes, wide.kv_bytes) == (2 * narrow.weight_bytes, 2 * narrow.kv_bytes)
    assert wide.tokens_per_second < narrow.tokens_per_second


def test_fewer_bits_take_less_and_are_faster() -> None:
    whole, eight, four = (estimate(QWEN25_05B, gpu_bytes=0, ram_bytes=16 * GIB, context=2048, native=True, bits=bits) for bits in (None, 8, 4))
    assert whole.weight_bytes > eight.weight_bytes * 1.8 > four.weight_bytes * 1.8
    assert four.weight_bytes > whole.weight_bytes * 4.5 / 16  # the embedding has 8 bits
    assert whole.tokens_per_second < eight.tokens_per_second < four.tokens_per_second


def test_the_decoder_in_c_is_reckoned_with_for_the_models_it_knows() -> None:
    for config, faster in ((QWEN25_05B, True), ({**QWEN25_05B, "model_type": "gemma"}, False)):
        plain, native = (estimate(config, gpu_bytes=0, ram_bytes=16 * GIB, context=2048, native=native) for native in (False, True))
        assert (native.tokens_per_second > plain.tokens_per_second) is faster


def test_a_mixture_of_experts_reads_only_some() -> None:
    moe = {**QWEN25_05B, "num_experts": 64, "num_experts_per_tok": 8, "moe_intermediate_size": 768}
    report = estimate(moe, gpu_bytes=0, ram_bytes=64 * GIB, context=2048)
    assert report.active_bytes < report.weight_bytes / 3


def test_more_conversations_take_room_from_the_weights() -> None:
    one = estimate(R1_32B, gpu_bytes=80 * GIB, ram_bytes=64 * GIB, context=16384)
    many = estimate(R1_32B, gpu_bytes=80 * GIB, ram_bytes=64 * GIB, context=16384, streams=8)
    assert (one.placement, many.placement) == ("gpu", "gpu+ram")


def test_reads_file_sizes_not_weights(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, QWEN25_05B, model__safetensors=1000, pytorch_model__bin=5000)
    report = estimate(folder, gpu_bytes=None, ram_bytes=GIB)
    assert (report.weight_bytes, report.parameters, report.context) == (1000, 500, 32768)


def test_a_given_size_wins_over_files(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, QWEN25_05B)
    assert estimate(folder, weight_bytes=1000, gpu_bytes=None, ram_bytes=GIB).weight_bytes == 1000


def test_nested_text_config_and_quantized_files() -> None:
    nested = {"model_type": "qwen2_5_vl", "text_config": {**QWEN25_05B}, "quantization_config": {"bits": 4}}
    report = estimate(nested, weight_bytes=1000, gpu_bytes=None, ram_bytes=GIB, context=128)
    assert (report.model_type, report.parameters, report.weight_bytes) == ("qwen2_5_vl", 2000, 1000)


def test_missing_shards_are_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, QWEN25_05B)
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": names[0], "b": names[1], "c": names[1]}}))
    (folder / names[0]).write_bytes(b"\0" * 10)
    with pytest.raises(BrokenModel, match="1 of 2 weight files are missing, the first is model-00002"):
        weight_files(folder)
    (folder / names[1]).write_bytes(b"\0" * 20)
    assert estimate(folder, gpu_bytes=None, ram_bytes=GIB).weight_bytes == 30


def test_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"config\.json"):
        estimate(tmp_path, gpu_bytes=None, ram_bytes=GIB)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BrokenModel, match=r"config\.json cannot be read"):
        estimate(tmp_path, gpu_bytes=None, ram_bytes=GIB)
    (tmp_path / "config.json").write_text(json.dumps(QWEN25_05B))
    with pytest.raises(BrokenModel, match="no weight file"):
        estimate(tmp_path, gpu_bytes=None, ram_bytes=GIB)


def test_probes_measure_something(tmp_path: Path) -> None:
    assert 1e8 < memory_bandwidth(0.02, 8 * 1024**2) < 1e13
    path = tmp_path / "weights"
    path.write_bytes(b"\0" * 1024**2)
    assert disk_bandwidth(path) > 1e6


def test_needs_no_torch() -> None:
    subprocess.run([sys.executable, "-c", "import sys, inference.fit; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"], check=True)
