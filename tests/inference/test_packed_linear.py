from __future__ import annotations

import pytest
import torch
from torch import nn

from inference import packed_linear
from inference.packed_linear import PackedLinear, pack_linears
from tests.inference.tiny_models import make_model

needs_onednn = pytest.mark.skipif(not torch._C._has_mkldnn, reason="this torch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (8, 1), (1, 37)])
def test_computes_the_same(dtype: torch.dtype, bias: bool, shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    linear = nn.Linear(48, 80, bias=bias).to(dtype)
    x = torch.randn(*shape, 48).to(dtype)
    with torch.inference_mode():
        assert torch.allclose(PackedLinear(linear)(x).float(), linear(x).float(), atol=packed_linear.TOLERANCE[dtype] * 4)


@needs_onednn
def test_a_packed_model_gives_the_same_logits_and_frees_the_old_weights() -> None:
    model, ids = make_model("qwen2"), torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        expected = model(input_ids=ids).logits
        before = sum(p.nbytes for p in model.parameters())
        assert pack_linears(model) == 3 * 7 + 1
        assert torch.allclose(model(input_ids=ids).logits, expected, atol=1e-3)
    assert sum(p.nbytes for p in model.parameters()) < before / 2
    assert model.get_input_embeddings().weight.shape == (402, 64)
    assert not any(type(module) is nn.Linear for module in model.modules())


def test_a_layer_that_computes_something_else_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    monkeypatch.setattr(PackedLinear, "forward", lambda self, x: torch.zeros(*x.shape[:-1], self.out_features))
    assert pack_linears(model) == 0
    assert not any(isinstance(module, PackedLinear) for module in model.modules())


def test_a_torch_without_the_operator_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: PackedLinear, linear: nn.Linear) -> None:
        raise NotImplementedError("no such operator")

    monkeypatch.setattr(PackedLinear, "__init__", refuse)
    assert pack_linears(make_model()) == 0


def test_half_precision_is_left_alone() -> None:
    assert pack_linears(make_model().half()) == 0
