"""Average pooling on a CPU in bfloat16: the same means by other means."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from chronas.nets.pool import AveragePool, _window
from chronas.seeding import torch_stream

SHAPES = [(3, 1, 8, 8), (3, 1, 5, 7), (3, 2, 8, 8), (3, 2, 7, 5), (5, 1, 6, 6), (3, 1, 1, 3)]


def pictures(height: int, width: int) -> torch.Tensor:
    return torch.randn(6, 4, height, width, generator=torch_stream(0, "tests", "pool"))


@pytest.mark.parametrize(("kernel", "stride", "height", "width"), SHAPES)
def test_it_is_the_mean_of_real_pixels(kernel: int, stride: int, height: int, width: int) -> None:
    x = pictures(height, width).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    expected = F.avg_pool2d(x.float(), kernel, stride, kernel // 2, count_include_pad=False)
    found = AveragePool(kernel, stride)(x)
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found.float(), expected, rtol=0.012, atol=0.005)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_the_mean_is_not_shifted(kernel: int) -> None:
    weight, scale = _window(kernel, 1, 2, 16, 16)
    product = weight[0, 0, 0, 0].double() * scale.double()
    pixels = F.conv2d(torch.ones(1, 1, 16, 16), torch.ones(1, 1, kernel, kernel), padding=kernel // 2).double()
    shift = (product * pixels - 1).abs()
    assert float(shift[:, :, kernel:-kernel, kernel:-kernel].max()) < 3e-5
    assert float(shift.max()) < 0.004


def test_its_gradient_is_that_of_pooling() -> None:
    first, second = (pictures(6, 6).to(torch.bfloat16).requires_grad_(True) for _ in range(2))
    with torch.inference_mode():
        AveragePool(3, 1)(first)  # what is remembered from here must serve a graph, too
    weights = pictures(6, 6)
    found = (AveragePool(3, 1)(first).float() * weights).sum()
    expected = (F.avg_pool2d(second.float(), 3, 1, 1, count_include_pad=False) * weights).sum()
    ours, theirs = (torch.autograd.grad(total, x)[0].float() for total, x in ((found, first), (expected, second)))
    assert torch.allclose(ours, theirs, rtol=0.03, atol=0.02)


def test_in_float32_it_is_torchs_own() -> None:
    x = pictures(6, 6)
    assert torch.equal(AveragePool(3, 1)(x), F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
