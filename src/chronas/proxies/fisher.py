"""fisher: Fisher information of the channels."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from chronas.proxies.base import ProxyBatch
from chronas.proxies.gradients import Layer, gradients, layers, loss


def fisher(net: nn.Module, batch: ProxyBatch) -> float:
    """sum over channels of n_k 1/2 mean_b (sum_pixels a dL/da)^2 (BlockSwap, Turner et al. 2020, section 3.3).

    a is the output of a convolution or linear layer, b runs over the images. n_k, the number of weights that make
    channel k, comes from the code of Abdelfattah et al. 2021, which gives the channel's value to each of them
    before it sums; the paper sums channels. A layer that is called twice counts twice.
    """
    calls: list[tuple[Layer, Tensor]] = []

    def keep(layer: Layer, inputs: Any, output: Tensor) -> None:
        calls.append((layer, output))

    handles = [layer.register_forward_hook(keep) for layer in layers(net)]
    try:
        value = loss(net, batch.images, batch.labels)
    finally:
        for handle in handles:
            handle.remove()
    total = 0.0
    felt = gradients(value, [output for _, output in calls])
    for (layer, output), gradient in zip(calls, felt, strict=True):
        product = output.detach() * gradient
        channels = product.flatten(2).sum(2) if product.ndim > 2 else product
        total += float(channels.square().mean(0).sum() / 2) * layer.weight[0].numel()
    return total
