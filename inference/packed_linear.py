"""Linear layers with their weights in the order that oneDNN multiplies fastest, for CPUs.

torch's own `linear` reorders the weights in each call, and in float32 on AMD processors it runs an MKL that is not made for them. With the weights
packed once, a decoding step of eight rows takes about half the time (docs/engine-notes.md). The numbers differ by rounding only.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

ROWS = 8
"""The order is chosen for products with about so many rows; others work too."""
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}


class PackedLinear(nn.Module):
    """In place of an nn.Linear whose weights nobody else uses by name."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().contiguous(), ROWS)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, "none", [], "")
        return result


def pack_linears(model: Any) -> int:
    """Pack every plain linear layer of a model on the CPU; returns how many. 0 where this build of torch cannot, or computes something else."""
    plain = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear and child.weight.device.type == "cpu" and child.weight.dtype in TOLERANCE and not hasattr(child, "_hf_hook")
    ]
    if not plain or not torch._C._has_mkldnn or not _works(plain[0][2]):
        return 0
    for parent, name, child in plain:
        setattr(parent, name, PackedLinear(child))
        child.weight = None  # type: ignore[assignment]
    log.info("packed the weights of %d layers", len(plain))
    return len(plain)


@torch.no_grad()
def _works(linear: nn.Linear) -> bool:
    """Is a packed copy the same function, for one row and for several?"""
    tolerance = TOLERANCE[linear.weight.dtype]
    try:
        packed = PackedLinear(linear)
        for rows in (1, 3):
            x = torch.sin(torch.arange(rows * linear.in_features, dtype=torch.float32)).view(1, rows, -1).to(linear.weight.dtype)
            expected = linear(x).float()
            if not torch.allclose(packed(x).float(), expected, atol=tolerance * float(expected.abs().max()), rtol=tolerance):
                return False
    except (RuntimeError, NotImplementedError, AttributeError):
        log.info("this torch cannot pack weights", exc_info=True)
        return False
    return True
