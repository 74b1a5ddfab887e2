"""NASWOT by the literal procedure of the released code: the yardstick of our own, in results and in time.

Forward and backward pass to mark the ReLUs that get a gradient, then a second forward pass over a copy of the
batch, in train mode and float32; two float32 products per ReLU, their sum in float64, numpy's slogdet.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


def oracle_kernel(net: nn.Module, images: Tensor, *, blocks: bool = True) -> npt.NDArray[np.float64]:
    """K of the network, which is left in train mode, with gradients and moved batch-norm statistics.

    Everything whose class name contains "ReLU" counts, so a block named ReLUConvBN counts beside the ReLU in it.
    `blocks` False leaves such blocks out: every ReLU then counts once.
    """
    count = len(images)
    total = np.zeros((count, count))
    marked: set[nn.Module] = set()

    def forward_hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        if module not in marked:
            return
        flat = inputs[0].reshape(count, -1)
        codes = (flat > 0).float()
        total = total + (codes @ codes.t()).cpu().numpy() + ((1.0 - codes) @ (1.0 - codes.t())).cpu().numpy()

    def backward_hook(module: nn.Module, into: Any, out: Any) -> None:
        marked.add(module)

    handles = []
    for module in net.modules():
        if "ReLU" in str(type(module)) and (blocks or next(module.children(), None) is None):
            handles += [module.register_forward_hook(forward_hook), module.register_backward_hook(backward_hook)]
    net.train()
    second = images.clone()
    net.zero_grad()
    inputs = images.clone().requires_grad_(True)
    with warnings.catch_warnings():
        # The old kind of backward hook is part of the procedure; around a block it sees its last operation alone.
        warnings.filterwarnings("ignore", message=".*non-full backward hook.*")
        output = _first(net(inputs))
        output.backward(torch.ones_like(output))  # type: ignore[no-untyped-call]
        _first(net(second))
    for handle in handles:
        handle.remove()
    return total


def oracle(net: nn.Module, images: Tensor, *, blocks: bool = True) -> float:
    """The score: slogdet of the kernel, its sign ignored."""
    return float(np.linalg.slogdet(oracle_kernel(net, images, blocks=blocks))[1])


def _first(output: Any) -> Tensor:
    while isinstance(output, tuple | list):
        output = output[0]
    first: Tensor = output
    return first
