"""The operations: shapes, padding, formulas, counts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from chronas.nets.mix import SlotMix, one_hot
from chronas.nets.ops import Cost, FactorizedReduction, Head, SamePad, Stem, build_op, op_cost
from chronas.nets.superkernel import Slot
from chronas.seeding import torch_scope, torch_stream
from chronas.spaces.kernels import Kernel, OpKind

KINDS: tuple[OpKind, ...] = ("conv", "sep", "max", "avg")


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch_stream(0, "images"))


@given(st.sampled_from(KINDS), st.integers(1, 9), st.integers(1, 9), st.integers(1, 11), st.integers(2, 11))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_every_operation_keeps_the_shape(kind: OpKind, high: int, wide: int, height: int, width: int) -> None:
    kernel = Kernel(kind, high, wide)
    op = build_op(kernel, 4)
    out = op(images(2, 4, height, width))
    assert out.shape == (2, 4, height, width)
    assert bool(out.isfinite().all())
    assert op_cost(kernel, 4, height, width).params == sum(p.numel() for p in op.parameters())


@pytest.mark.parametrize(
    ("height", "width", "pads"),
    [(1, 1, (0, 0, 0, 0)), (2, 2, (0, 1, 0, 1)), (3, 4, (1, 2, 1, 1)), (9, 6, (2, 3, 4, 4))],
)
def test_the_odd_pixel_goes_right_and_down(height: int, width: int, pads: tuple[int, ...]) -> None:
    assert SamePad(height, width).pads == pads
    assert SamePad(height, width)(images(1, 1, 5, 5)).shape[2:] == (5 + height - 1, 5 + width - 1)


def test_symmetric_padding_equals_same_padding() -> None:
    x = images(1, 4, 6, 7)
    op = build_op(Kernel("conv", 3, 5), 4).eval()
    weight = op.conv.weight  # type: ignore[union-attr]
    expected = F.conv2d(x, weight, padding="same") / (1 + op.bn.eps) ** 0.5  # type: ignore[arg-type, union-attr, operator]
    assert torch.allclose(op(x), expected, atol=1e-6)


def test_pools_see_no_padding() -> None:
    for kind in ("max", "avg"):
        op = build_op(Kernel(kind, 3, 2), 2).eval()
        constant = torch.full((1, 2, 5, 5), -3.0)
        assert torch.allclose(op(constant), constant / (1 + 1e-5) ** 0.5, atol=1e-5)


def test_op_costs_by_hand() -> None:
    assert op_cost(Kernel("conv", 3, 3), 8, 4, 5) == Cost(9 * 64 + 16, 9 * 64 * 20)
    assert op_cost(Kernel("sep", 5, 5), 8, 4, 5) == Cost(25 * 8 + 64 + 16, (25 * 8 + 64) * 20)
    assert op_cost(Kernel("max", 3, 3), 8, 4, 5) == Cost(16, 0)
    assert Cost(1, 2) + Cost(3, 4) == Cost(4, 6)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (1, 1), (1, 4)])
def test_reduction_halves_and_doubles(height: int, width: int) -> None:
    reduction = FactorizedReduction(4)
    assert reduction(images(2, 4, height, width)).shape == (2, 8, -(-height // 2), -(-width // 2))
    assert reduction.cost(4, height, width).params == sum(p.numel() for p in reduction.parameters())


@pytest.mark.parametrize(("halvings", "side"), [(0, 9), (1, 5), (2, 3), (3, 2)])
def test_stem_halves(halvings: int, side: int) -> None:
    stem = Stem(3, 4, halvings)
    assert stem(images(2, 3, 9, 9)).shape == (2, 4, side, side)
    assert stem.cost(3, 4, halvings, 9, 9).params == sum(p.numel() for p in stem.parameters())


def test_head_computes_in_float32() -> None:
    head = Head(4, 3).eval()
    x = images(2, 4, 3, 3).to(torch.bfloat16)
    assert head(x).dtype == torch.float32
    assert torch.equal(head(x), head.linear(x.float().mean((2, 3))))


def slot() -> Slot:
    with torch_scope(0, "slot"):
        return Slot([build_op(Kernel("conv", 1, i), 4) for i in (1, 2, 3)])


def test_plain_sum() -> None:
    """NASIB eq. 1: relu(x + op_i(x) + op_j(x))."""
    layer, x = slot(), images(2, 4, 5, 5)
    found = layer(x, SlotMix((2, 0)))
    assert torch.allclose(found, F.relu(x + layer.ops[2](x) + layer.ops[0](x)), atol=1e-6)


def test_softmax_mix() -> None:
    """NASIB eq. 2: relu(x + sum_j softmax(alpha)_j op_j(x)), differentiable in alpha."""
    layer, x = slot(), images(2, 4, 5, 5)
    alpha = torch.tensor([0.3, -1.2], requires_grad=True)
    weights = torch.softmax(alpha, 0)
    found = layer(x, SlotMix((1, 2), weights))
    share = 1 / (1 + torch.exp(torch.tensor(-1.5)))
    assert torch.allclose(found, F.relu(x + share * layer.ops[1](x) + (1 - share) * layer.ops[2](x)), atol=1e-6)
    (gradient,) = torch.autograd.grad(found.sum(), alpha)
    assert gradient.sum() == pytest.approx(0.0, abs=1e-4)
    assert float(gradient.abs().max()) > 0


def test_one_hot() -> None:
    assert one_hot((3, 0)) == (SlotMix((3,)), SlotMix((0,)))
