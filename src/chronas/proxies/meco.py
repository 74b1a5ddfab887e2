"""meco: how independent the channels of the feature maps are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch, main_output
from chronas.seeding import torch_stream


def meco(net: nn.Module, batch: ProxyBatch) -> float:
    """sum over feature maps of the smallest eigenvalue of their correlation matrix (MeCo, Jiang et al. 2023, sec. 4).

    The matrix holds Pearson's correlation of each two channels over the pixels, for one image of Gaussian noise;
    undefined entries (a constant channel) are 0. The paper speaks of layers; the code takes the output of every
    module, so that a map counts once for each module around it that gives it out: here each map counts once.
    The image has the size of the given ones (code: 64 x 64), so a network that shrinks them to single pixels has no
    score: batch norm needs two numbers. The paper's variant that draws 8 channels is left out.
    """
    noise = torch.randn(batch.images[:1].shape, generator=torch_stream(0, "proxy", "meco"))
    found: list[Tensor] = []
    seen: list[Tensor] = []

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and not any(output is other for other in seen[-8:]):
            # Only a neighbour can hand on the very same tensor; holding all maps would cost memory.
            seen.append(output)
            del seen[:-8]
            found.append(smallest_eigenvalue(output[0].flatten(1)))

    handles = [module.register_forward_hook(look) for module in net.modules()]
    try:
        with torch.no_grad():
            main_output(net, noise.to(batch.images))
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise ProxyError("meco sees no feature map in this network.")
    return float(torch.stack(found).sum())


def smallest_eigenvalue(channels: Tensor) -> Tensor:
    """The smallest eigenvalue of the correlation of (channels, pixels), 0 where fewer pixels than channels vary."""
    count, pixels = channels.shape
    if pixels <= count:
        return channels.new_zeros((), dtype=torch.float64)
    centred = channels.double() - channels.double().mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    unit = torch.where(length > 0, centred / length, 0.0)
    smallest: Tensor = torch.linalg.eigvalsh(unit @ unit.T)[0]
    return smallest
