"""How fast one stream could be at most: what memory gives each second, over what a token must read of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

Json = dict[str, Any]
BITS = {"16bit": 16.0, "int8": 8.5, "int4": 4.5}
"""Of one weight, with its share of a scale of 16 bits for 32 weights, as llama.cpp's Q8_0 and Q4_0 have it."""
READ_1_GIB = """
import json, time, torch
values = torch.ones(2**28)
values.sum()
def seconds():
    began = time.perf_counter(); values.sum(); return time.perf_counter() - began
print(json.dumps(2**30 / min(seconds() for _ in range(10))))
"""


def roofline(folder: Path, precision: str, bandwidths: Sequence[float]) -> Json:
    """`folder`: a model in transformers' format; `bandwidths`: of memory, one of each round. The keys and values of the conversation, which are read
    as well, are not counted."""
    size = matrix_weights(folder) * BITS[precision] / 8
    bandwidth = median(bandwidths)
    return {"bandwidth": bandwidth, "bytes_per_token": round(size), "tokens_per_s": round(bandwidth / size, 1), "cache": largest_cache()}


def share_of(limit: Json, per_token_ms: Sequence[float | None], bandwidths: Sequence[float]) -> float | None:
    """The share of the roofline that one stream reached: the median over rounds, each held against its own bandwidth."""
    shares = [limit["bytes_per_token"] / (ms / 1000 * bandwidth) for ms, bandwidth in zip(per_token_ms, bandwidths, strict=False) if ms]
    return round(median(shares), 2) if shares else None


def memory_bandwidth() -> float:
    """Bytes per second that all cores together read of memory: the best of ten sums over 1 GiB, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", READ_1_GIB], capture_output=True, text=True, check=True)
    return float(done.stdout)


def matrix_weights(folder: Path) -> int:
    """How many weights one token is multiplied with. Of the embedding only a row is read, unless it is the head as well."""
    shapes: dict[str, list[int]] = {}
    for file in folder.glob("*.safetensors"):
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        shapes |= {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    own_head = any(name.startswith("lm_head") for name in shapes)
    counted = (shape for name, shape in shapes.items() if len(shape) == 2 and not (own_head and "embed_tokens" in name))
    return sum(rows * columns for rows, columns in counted)


def largest_cache() -> int | None:
    """Bytes of the processor's last cache; None where the system does not say."""
    found = []
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = file.read_text(encoding="ascii").strip()
        found.append(int(text[:-1]) * {"K": 2**10, "M": 2**20}.get(text[-1], 1))
    return max(found, default=None)
