"""params: the number of parameters."""

from __future__ import annotations

from torch import nn

from chronas.proxies.base import ProxyBatch


def params(net: nn.Module, batch: ProxyBatch) -> float:
    """The number of parameters, each once. A proxy that does not beat this ranks by size."""
    return float(sum(parameter.numel() for parameter in net.parameters()))
