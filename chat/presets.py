"""Named sets of sampling values, and how the layers of options come together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.protocol import Options
from inference.types import Sampling

PRESETS: Mapping[str, Sampling] = {
    "balanced": Sampling(temperature=0.7, top_p=0.9, top_k=50, repetition_penalty=1.05),
    "precise": Sampling(temperature=0.2, top_p=0.9, top_k=20, repetition_penalty=1.05),
    "creative": Sampling(temperature=1.0, top_p=0.95, top_k=0, min_p=0.05, repetition_penalty=1.05),
    # The tutorial's: do_sample with these values.
    "tutorial": Sampling(max_tokens=1024, temperature=0.7, top_p=0.8, top_k=10, repetition_penalty=1.2),
}


def sampling_of(options: Options | Mapping[str, Any] | None) -> Sampling:
    """The sampling that one layer of options asks for: its own values over its preset's."""
    if options is None:
        return Sampling()
    if not isinstance(options, Options):
        options = Options.model_validate(options)
    values = options.model_dump(exclude_none=True, exclude={"preset"})
    if "stop" in values:
        values["stop"] = tuple(values["stop"])
    base = PRESETS[options.preset] if options.preset else Sampling()
    return Sampling(**values).over(base)
