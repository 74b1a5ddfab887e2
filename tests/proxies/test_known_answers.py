"""Proxies of networks so small that their scores can be worked out on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small_nets import branches, flat, linear, noise_batch, two_layers
from torch import nn

from chronas import nets
from chronas.architecture import Architecture
from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch, score
from chronas.proxies.meco import smallest_eigenvalue
from chronas.spaces.resnet import ResNetSettings, ResNetSpace
from chronas.task import Task

ONE_LAYER = [[0.0, 0.0], [0.0, 0.0]]
"""Logits 0: both classes have probability 1/2, whatever the image."""


def single(rows: list[list[float]]) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), linear(rows))


def test_grad_norm() -> None:
    # dL/dlogits of each image is (-1/2, 1/2) / 2 for label 0 and its negative for label 1, so with x = (3, 4) of
    # label 0 and (0, 0) of label 1 dL/dW is (-1/4, 1/4)^T (3, 4), of length sqrt(2 / 16) * 5.
    batch = flat([[3.0, 4.0], [0.0, 0.0]], [0, 1])
    assert score("grad_norm", single(ONE_LAYER), batch) == pytest.approx(5 * math.sqrt(2) / 4)


def test_grad_norm_adds_the_layers() -> None:
    # Hidden (1, 0) or 0; logits (1, 1) or 0: p = 1/2. dL/dW2 = (-1/4, 1/4)^T (1, 0); dL/dh = W2^T d = 0.
    net = two_layers([[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]])
    assert score("grad_norm", net, flat([[1.0, 0.0], [0.0, 0.0]], [0, 1])) == pytest.approx(math.sqrt(2) / 4)


def test_snip() -> None:
    # W equal in both rows keeps p = 1/2: |w dL/dw| sums to (1/4)(2 * 3 + 1 * 4) * 2.
    batch = flat([[3.0, 4.0], [0.0, 0.0]], [0, 1])
    assert score("snip", single([[2.0, 1.0], [2.0, 1.0]]), batch) == pytest.approx(5.0)


def test_grasp() -> None:
    # One image counts: z = W x, L = CE / 2. g = d x^T with d = (-1/4, 1/4); H g = (1/2) S d' x^T with
    # S = diag(p) - p p^T = [[1/4, -1/4], [-1/4, 1/4]] and d' = d |x|^2 = 25 d, so H g = (25/4) d x^T.
    # With W of rows (a x) and (a x) the sum of w (H g) is 0; with W = [[1, 0], [0, 0]] p is not 1/2.
    batch = flat([[3.0, 4.0], [0.0, 0.0]], [0, 1])
    assert score("grasp", single([[2.0, 1.0], [2.0, 1.0]]), batch) == pytest.approx(0.0, abs=1e-6)
    p = 1 / (1 + math.exp(-3.0))
    d = np.array([(p - 1) / 2, (1 - p) / 2])
    spread = p * (1 - p) * np.array([[1.0, -1.0], [-1.0, 1.0]]) / 2
    curved = np.outer(spread @ d * 25, [3.0, 4.0])
    assert score("grasp", single([[1.0, 0.0], [0.0, 0.0]]), batch) == pytest.approx(-curved[0, 0], rel=1e-5)


def test_fisher() -> None:
    # Output a = W x of each class k, gradient -+1/4: mean over 2 images of (a d)^2 / 2, times 2 weights per channel.
    # First image: a = (10, 10), d = (-1/4, 1/4), squares 6.25; second 0.
    batch = flat([[3.0, 4.0], [0.0, 0.0]], [0, 1])
    assert score("fisher", single([[2.0, 1.0], [2.0, 1.0]]), batch) == pytest.approx(2 * (2 * (6.25 / 2) / 2))


def test_fisher_sums_pixels_first() -> None:
    conv = nn.Conv2d(1, 1, 1, bias=False)
    head = linear([[1.0], [0.0]])
    with torch.no_grad():
        conv.weight.fill_(1.0)
    net = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    images = torch.tensor([[[[1.0, 3.0]]], [[[0.0, 0.0]]]])
    p = 1 / (1 + math.exp(-2.0))
    d = (p - 1) / 2
    # Convolution: each pixel's gradient is d / 2, and 1 + 3 = 4 pixels' activation: (4 d / 2)^2 = (2 d)^2.
    # Classifier: outputs (2, 0), gradient (d, -d): (2 d)^2, with 1 weight per channel each.
    expected = 2 * (2 * d) ** 2 / 2 / 2
    assert score("fisher", net, ProxyBatch(images, torch.tensor([0, 1]), 2)) == pytest.approx(expected)


def test_synflow() -> None:
    # Positive paths: R = sum_ij |w2_ij| |w1_jk| = 1*(1+2) + 3*(1+2) + 2*(4) + 1*(4) = 24, and |w dR/dw| summed over
    # the weights of a layer is R again, for each of the two layers.
    net = two_layers([[1.0, -2.0], [0.0, 4.0]], [[-1.0, 2.0], [3.0, 1.0]])
    assert score("synflow", net, noise_batch(2, channels=2, side=1, classes=2)) == pytest.approx(48.0)


def test_synflow_leaves_batch_norm_out_and_knows_large_numbers() -> None:
    deep: list[nn.Module] = [nn.Flatten()]
    for _ in range(60):
        deep += [linear([[1000.0]]), nn.BatchNorm1d(1)]
    value = score("synflow", nn.Sequential(*deep), noise_batch(2, channels=1, side=1, classes=2))
    assert value == pytest.approx(60 * 1000.0**60)


def test_synflow_of_a_head_that_asks_for_float32() -> None:
    space = ResNetSpace(ResNetSettings(widths=(4,), most_blocks=1))
    net = nets.build(Architecture(space, (0, 0, 0, 0, 0, 0)), Task(3, 8, 8, 4))
    assert score("synflow", net, noise_batch()) > 0


def test_jacob_cov() -> None:
    # y = sum over classes of w relu(x): the Jacobians are (1, 0) * a and (0, 1) * a for these images, with
    # correlation -1 and eigenvalues 0 and 2.
    net = two_layers([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]], nn.ReLU())
    k = 1e-5
    expected = -(math.log(k) + 1 / k + math.log(2 + k) + 1 / (2 + k))
    assert score("jacob_cov", net, flat([[1.0, -1.0], [-1.0, 1.0]], [0, 1])) == pytest.approx(expected, rel=1e-6)


def test_jacob_cov_of_a_network_that_does_not_look() -> None:
    with pytest.raises(ProxyError, match="does not depend"):
        score("jacob_cov", single(ONE_LAYER), flat([[3.0, 4.0], [1.0, 0.0]], [0, 1]))


def test_zico() -> None:
    # Two batches of one image: dL/dW = (-1/2, 1/2)^T x for label 0. First weight column: 3 and 1 -> |g| 3/2, 1/2,
    # mean 1, deviation 1/2, ratio 2; second: 4 and 4, deviation 0, left out. Two rows: log(2 + 2).
    batch = flat([[3.0, 4.0], [1.0, 4.0]], [0, 0])
    assert score("zico", single(ONE_LAYER), batch) == pytest.approx(math.log(4.0))


def test_swap() -> None:
    # Over 3 images: unit 1 is on, off, on; unit 2 always; unit 3 as unit 1; unit 4 never: 3 different patterns.
    conv = nn.Conv2d(2, 4, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, -1.0]])[:, :, None, None])
    net = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    assert score("swap", net, flat([[1.0, 1.0], [-1.0, 2.0], [3.0, 1.0]], [0, 1, 0])) == 3


def test_smallest_eigenvalue() -> None:
    rows = torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, -1.0, -1.0, 1.0], [5.0, 5.0, 5.0, 5.0]])
    # The first two do not correlate, the third is constant, and so has a row of zeros.
    assert float(smallest_eigenvalue(rows)) == pytest.approx(0.0, abs=1e-12)
    assert float(smallest_eigenvalue(rows[:2])) == pytest.approx(1.0)
    half = torch.stack([rows[0], rows[0] + rows[1] * math.sqrt(1.25)])
    assert float(smallest_eigenvalue(half)) == pytest.approx(1 - math.sqrt(0.5))
    assert float(smallest_eigenvalue(torch.randn(5, 4))) == 0.0


def test_meco_counts_a_map_once() -> None:
    plain, wrapped = branches("both"), nn.Sequential(nn.Sequential(branches("both")))
    batch = noise_batch()
    assert score("meco", plain, batch) == pytest.approx(score("meco", wrapped, batch))


def test_zen_of_a_linear_network() -> None:
    # Without nonlinearity f(x) - f(x + 0.01 e) is f of 0.01 e: twice the step would double it.
    conv = nn.Conv2d(3, 4, 1, bias=False)
    plain = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    batch = noise_batch(8, side=16)
    # E|N(0, 3) * 0.01| per value for given weights about 0.01 sqrt(3) sqrt(2 / pi), 4 * 256 values.
    expected = math.log(0.01 * math.sqrt(3 * 2 / math.pi) * 4 * 256)
    assert score("zen", plain, batch) == pytest.approx(expected, abs=0.5)


def test_zen_does_not_feel_the_weights_and_puts_the_scale_back() -> None:
    batch = noise_batch()
    first, second = branches("both"), branches("both")
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.mul_(7.0)
    assert score("zen", first, batch) == score("zen", second, batch)


@pytest.mark.parametrize("choices", [(0, 0, 0, 0, 0, 0), (1, 1, 1, 0, 1, 1)])
def test_params_and_flops_are_the_counted_ones(choices: tuple[int, ...]) -> None:
    space = ResNetSpace(ResNetSettings(widths=(4, 6), most_blocks=2))
    task = Task(3, 8, 8, 4)
    architecture = Architecture(space, choices)
    net, counted = nets.build(architecture, task), nets.cost(architecture, task)
    assert score("params", net, noise_batch()) == counted.params
    assert score("flops", net, noise_batch()) == counted.madds
