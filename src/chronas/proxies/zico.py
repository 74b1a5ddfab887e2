"""zico: gradients that are large and agree between batches."""

from __future__ import annotations

import math

import torch
from torch import nn

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch
from chronas.proxies.gradients import gradients, loss, weights

PARTS = 2


def zico(net: nn.Module, batch: ProxyBatch) -> float:
    """sum over layers of log(sum over weights of mean|g| / std(g)), over batches (ZiCo, Li et al. 2023, section 3.3).

    g is the loss gradient of one batch; the batch given is split in two, the number that the paper's experiments
    take. The text divides by the deviation of |g|, the released code by that of g (of the population): the code is
    followed, its numbers are the published ones. Weights with deviation 0 are left out, and layers without others.
    """
    own = weights(net)
    halves = zip(batch.images.tensor_split(PARTS), batch.labels.tensor_split(PARTS), strict=True)
    rounds = [gradients(loss(net, images, labels), own) for images, labels in halves]
    total, layers = 0.0, 0
    for found in zip(*rounds, strict=True):
        stack = torch.stack(found).double()
        mean, deviation = stack.abs().mean(0), stack.std(0, correction=0)
        ratio = float((mean[deviation > 0] / deviation[deviation > 0]).sum())
        if ratio != 0:
            total += math.log(ratio)
            layers += 1
    if not layers:
        raise ProxyError("The gradients are the same for all batches: the loss does not depend on the images.")
    return total
