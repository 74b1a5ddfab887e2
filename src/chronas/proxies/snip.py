"""snip: what the loss would feel if a weight were missing."""

from __future__ import annotations

from torch import nn

from chronas.proxies.base import ProxyBatch
from chronas.proxies.gradients import loss_gradients


def snip(net: nn.Module, batch: ProxyBatch) -> float:
    """sum over weights of |w dL/dw| (SNIP, Lee et al. 2019, equations 5 and 6; summed by Abdelfattah et al. 2021).

    The paper differentiates by a mask of ones over the weights; that derivative is w dL/dw, so no mask is needed.
    SNIP divides by the sum to rank weights within one network; between networks the sum itself is the score.
    """
    return sum(float((weight * gradient).abs().sum()) for weight, gradient in loss_gradients(net, batch))
