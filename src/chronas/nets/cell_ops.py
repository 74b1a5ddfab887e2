"""The operations on the edges of a cell: the table beside `ops`, which has those of a chain of layers.

`build_cell_op` makes the module; `cell_op_cost` counts the same operation without building it. All map C to C
channels, with stride 1 or 2; a ReLU comes first and every convolution ends in a batch norm (DARTS, NDS).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from chronas.nets.ops import Cost
from chronas.nets.pool import AveragePool
from chronas.spaces.cell_ops import CellOp


class Depthwise(nn.Conv2d):
    """One k x k filter per channel; keeps the map at stride 1."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        padding = (kernel - 1) * dilation // 2
        super().__init__(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # CPUs have no fast bfloat16 depthwise kernel: float32 is twice as fast there.
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float())
        return super().forward(x)


class ReluConvBN(nn.Sequential):
    """ReLU, full k x k convolution, batch norm."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
        super().__init__(nn.ReLU(), conv, nn.BatchNorm2d(channels_out))

    @staticmethod
    def cost(channels_in: int, channels_out: int, kernel: int, pixels: int) -> Cost:
        """Cost with `pixels` output positions."""
        weights = kernel**2 * channels_in * channels_out
        return Cost(weights + 2 * channels_out, weights * pixels)


class FactorizedReduce(nn.Module):
    """Halve the map: ReLU, two 1x1 convolutions of stride 2, the second on the map moved by a pixel, batch norm."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        half = channels_out // 2
        self.even = nn.Conv2d(channels_in, half, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels_in, channels_out - half, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        moved = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        out: Tensor = self.bn(torch.cat([self.even(x), self.odd(moved)], dim=1))
        return out

    @staticmethod
    def cost(channels_in: int, channels_out: int, height: int, width: int) -> Cost:
        """Cost with an input of height x width pixels."""
        return ReluConvBN.cost(channels_in, channels_out, 1, -(-height // 2) * -(-width // 2))


class SplitConv(nn.Sequential):
    """ReLU, 1 x k convolution, k x 1 convolution, batch norm."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        pad = kernel // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, pad), bias=False),
            nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (pad, 0), bias=False),
            nn.BatchNorm2d(channels),
        )


class SeparableStages(nn.Sequential):
    """Stages of ReLU, depthwise k x k convolution, pointwise convolution, batch norm; the first has the stride.

    The operation of Prune-and-Replace with its `inner` widths, of which DARTS's sep_conv and dil_conv are two.
    """

    def __init__(self, op: CellOp, channels: int, stride: int) -> None:
        widths = stage_widths(op, channels)
        layers: list[nn.Module] = []
        for place, (width_in, width_out) in enumerate(widths):
            layers += [
                nn.ReLU(),
                Depthwise(width_in, op.kernel, stride if place == 0 else 1, op.dilation),
                nn.Conv2d(width_in, width_out, 1, bias=False),
                nn.BatchNorm2d(width_out),
            ]
        super().__init__(*layers)


def stage_widths(op: CellOp, channels: int) -> list[tuple[int, int]]:
    """Channels into and out of each stage of a `sep` operation."""
    widths = [channels, *(channels * times for times in op.inner), channels]
    return list(pairwise(widths))


def build_cell_op(op: CellOp, channels: int, stride: int) -> nn.Module:
    """The module of `op`, which is not "none"."""
    if op.kind == "skip":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    if op.kind == "avg":
        return AveragePool(op.kernel, stride)
    if op.kind == "max":
        return nn.MaxPool2d(op.kernel, stride, op.kernel // 2)
    if op.kind == "conv":
        return ReluConvBN(channels, channels, op.kernel, stride)
    if op.kind == "split":
        return SplitConv(channels, op.kernel, stride)
    return SeparableStages(op, channels, stride)


def cell_op_cost(op: CellOp, channels: int, stride: int, height: int, width: int) -> Cost:
    """Cost of `build_cell_op(op, channels, stride)` on a map of height x width pixels."""
    out_height, out_width = -(-height // stride), -(-width // stride)
    pixels = out_height * out_width
    if op.kind == "skip" and stride == 2:
        return FactorizedReduce.cost(channels, channels, height, width)
    if op.kind in ("none", "skip", "avg", "max"):
        return Cost()
    if op.kind == "conv":
        return ReluConvBN.cost(channels, channels, op.kernel, pixels)
    if op.kind == "split":
        weights = op.kernel * channels**2
        return Cost(2 * weights + 2 * channels, weights * (height * out_width + pixels))
    total = Cost()
    for width_in, width_out in stage_widths(op, channels):
        weights = op.kernel**2 * width_in + width_in * width_out
        total += Cost(weights + 2 * width_out, weights * pixels)
    return total
