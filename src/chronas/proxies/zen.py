"""zen: how expressive the network is with Gaussian weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch
from chronas.seeding import torch_stream

STEP = 0.01


def zen(net: nn.Module, batch: ProxyBatch) -> float:
    """log mean_b sum|f(x) - f(x + 0.01 e)| + sum over batch norms of log sqrt(mean variance).

    Zen-NAS (Lin et al. 2021), algorithm 1: x and e are Gaussian noise of the batch's shape, weights of convolutions
    and linear layers are drawn from N(0, 1) with biases 0 and batch norm at (1, 0), f is the last feature map before
    pooling. The distance is the sum of absolute values as in the code (text: Frobenius norm). The code reads the
    variances from the running averages, which still hold a share of their start value 1; here they are those of the
    batch, as in the text. One draw is taken, not the mean of 32. The paper removes shortcuts before it scores,
    which no other code does outside its own space: they stay.
    """
    maps = _Maps(net)
    values = _gaussian_parameters(net, batch.images.device)
    generator = torch_stream(0, "proxy", "zen", "images")
    x, step = (torch.randn(batch.images.shape, generator=generator).to(batch.images) for _ in range(2))
    with torch.no_grad(), maps:
        first, scale = maps.run(values, x)
        second, _ = maps.run(values, x + STEP * step)
    distance = (first - second).double().abs().flatten(1).sum(1).mean()
    if distance == 0:
        raise ProxyError("zen sees no difference: the last feature map does not depend on the images.")
    return float(distance.log() + scale)


def _gaussian_parameters(net: nn.Module, device: torch.device) -> dict[str, Tensor]:
    """By the names of `net`; drawn on the CPU, so that every device has the same."""
    generator = torch_stream(0, "proxy", "zen", "weights")
    drawn: dict[str, Tensor] = {}
    for name, module in net.named_modules():
        own = dict(module.named_parameters(recurse=False))
        for which, parameter in own.items():
            key = f"{name}.{which}" if name else which
            if which == "bias":
                drawn[key] = torch.zeros_like(parameter)
            elif isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
                drawn[key] = torch.randn(parameter.shape, generator=generator).to(device, parameter.dtype)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
                drawn[key] = torch.ones_like(parameter)
    return drawn


class _Maps:
    """Finds the last feature map of a forward pass, and what batch norm divides by."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.last = torch.zeros(())
        self.scale = torch.zeros((), dtype=torch.float64)

    def __enter__(self) -> _Maps:
        self.handles = []
        for module in self.net.modules():
            self.handles += [module.register_forward_pre_hook(self._before), module.register_forward_hook(self._after)]
        return self

    def __exit__(self, *problem: object) -> None:
        for handle in self.handles:
            handle.remove()

    def run(self, values: dict[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
        """The last feature map (b, c, h, w) and the logarithm of the scaling, with `values` for parameters."""
        self.last, self.scale = images, torch.zeros((), dtype=torch.float64)
        functional_call(self.net, values, (images,))
        if self.last is images:
            raise ProxyError("zen sees no feature map in this network.")
        return self.last, self.scale

    def _before(self, module: nn.Module, inputs: Any) -> None:
        self._note(inputs[0] if inputs else None)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            axes = [axis for axis in range(inputs[0].ndim) if axis != 1]
            self.scale = self.scale + inputs[0].double().var(axes, correction=0).mean().log().cpu() / 2

    def _after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._note(output)

    def _note(self, value: Any) -> None:
        # A map of one pixel was pooled already.
        if isinstance(value, Tensor) and value.ndim == 4 and value[0, 0].numel() > 1:
            self.last = value
