"""flops: the work for one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from chronas.proxies.base import ProxyBatch, main_output

PRODUCTS = frozenset({F.conv1d, F.conv2d, F.conv3d, F.linear})


def flops(net: nn.Module, batch: ProxyBatch) -> float:
    """Multiply-adds of convolutions and linear layers for one image; what every proxy must beat.

    As in the tables, a multiply-add counts once; what the forward pass does not run does not count, such as dead edges
    of NAS-Bench-201, which its table counts. An auxiliary head counts where the forward pass runs it.
    """
    net.eval()
    with torch.no_grad(), _Counting() as counter:
        main_output(net, batch.images[:1])
    return float(counter.total)


class _Counting(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in PRODUCTS:
            weight = args[1] if len(args) > 1 else (kwargs or {})["weight"]
            self.total += out.numel() * weight[0].numel()
        return out
