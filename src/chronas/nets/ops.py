"""The only table of operations. Each keeps the shape (b, c, h, w) and ends in a batch norm of its own.

`build_op` makes the module; `op_cost` counts the same operation without building it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chronas.spaces.kernels import Kernel


@dataclass(frozen=True)
class Cost:
    """Trainable parameters and multiply-adds of convolutions and linear layers for one image."""

    params: int = 0
    madds: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.params + other.params, self.madds + other.madds)


class SamePad(nn.Module):
    """Zero padding that keeps the shape; the odd pixel of an even kernel goes to the right and bottom."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.pads = ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.pads)


def same_conv(channels_in: int, channels_out: int, height: int, width: int, *, groups: int = 1) -> nn.Module:
    """A convolution that keeps height and width. Symmetric padding is left to the kernel: no extra copy."""
    if height % 2 and width % 2:
        padding = (height // 2, width // 2)
        return nn.Conv2d(channels_in, channels_out, (height, width), padding=padding, groups=groups, bias=False)
    conv = nn.Conv2d(channels_in, channels_out, (height, width), groups=groups, bias=False)
    return nn.Sequential(SamePad(height, width), conv)


class ConvBN(nn.Module):
    """Full convolution i x j, batch norm."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.conv = same_conv(channels, channels, height, width)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x))
        return out


class SeparableBN(nn.Module):
    """Depthwise convolution i x j, pointwise convolution, batch norm."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.depthwise = same_conv(channels, channels, height, width, groups=channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # CPUs have no fast bfloat16 depthwise kernel: float32 is twice as fast there.
            with torch.autocast("cpu", enabled=False):
                x = self.depthwise(x.float())
        else:
            x = self.depthwise(x)
        out: Tensor = self.bn(self.pointwise(x))
        return out


class PoolBN(nn.Module):
    """Max or average pool i x j with stride 1, batch norm. The average leaves the padding out."""

    def __init__(self, channels: int, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel
        pad = SamePad(kernel.height, kernel.width)
        self.pads = pad.pads
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        size = (self.kernel.height, self.kernel.width)
        if self.kernel.kind == "max":
            out = F.max_pool2d(F.pad(x, self.pads, value=float("-inf")), size, stride=1)
        else:
            ones = F.pad(torch.ones_like(x[:1, :1]), self.pads)
            inside = F.avg_pool2d(ones, size, stride=1)
            out = F.avg_pool2d(F.pad(x, self.pads), size, stride=1) / inside
        normed: Tensor = self.bn(out)
        return normed


def build_op(kernel: Kernel, channels: int) -> nn.Module:
    """The module of `kernel` on `channels` channels."""
    if kernel.kind == "conv":
        return ConvBN(channels, kernel.height, kernel.width)
    if kernel.kind == "sep":
        return SeparableBN(channels, kernel.height, kernel.width)
    return PoolBN(channels, kernel)


def op_cost(kernel: Kernel, channels: int, height: int, width: int) -> Cost:
    """Cost of `build_op(kernel, channels)` on a map of height x width pixels."""
    area, norm, pixels = kernel.height * kernel.width, 2 * channels, height * width
    if kernel.kind == "conv":
        weights = area * channels * channels
    elif kernel.kind == "sep":
        weights = area * channels + channels * channels
    else:
        weights = 0
    return Cost(weights + norm, weights * pixels)


class FactorizedReduction(nn.Module):
    """Halve the map and double the channels: 2x2 max pool beside a 2x2 stride-2 convolution (NASIB section 4.1).

    Odd sides are padded by one pixel at the right and bottom.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 2, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % 2 or x.shape[3] % 2:
            x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        out: Tensor = self.bn(torch.cat([F.max_pool2d(x, 2), self.conv(x)], dim=1))
        return F.relu(out)

    @staticmethod
    def cost(channels: int, height: int, width: int) -> Cost:
        """Cost with an input of channels x height x width."""
        weights = 4 * channels * channels
        return Cost(weights + 4 * channels, weights * -(-height // 2) * -(-width // 2))


class Stem(nn.Module):
    """3x3 convolutions, batch norm, ReLU; the first `halvings` of them with stride 2, then one more if none had."""

    def __init__(self, channels_in: int, width: int, halvings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(max(1, halvings)):
            conv = nn.Conv2d(channels_in if i == 0 else width, width, 3, 2 if halvings else 1, 1, bias=False)
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out

    @staticmethod
    def cost(channels_in: int, width: int, halvings: int, height: int, side: int) -> Cost:
        """Cost on an image of height x side pixels."""
        total = Cost()
        for i in range(max(1, halvings)):
            if halvings:
                height, side = -(-height // 2), -(-side // 2)
            weights = 9 * (channels_in if i == 0 else width) * width
            total += Cost(weights + 2 * width, weights * height * side)
        return total


class Head(nn.Module):
    """Global average pool, dropout, linear classifier in float32."""

    def __init__(self, channels: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.dropout(x.mean((2, 3), dtype=torch.float32)))
        return out

    @staticmethod
    def cost(channels: int, classes: int) -> Cost:
        return Cost(channels * classes + classes, channels * classes)
