"""grasp: how the flow of gradients would change without a weight."""

from __future__ import annotations

import torch
from torch import nn

from chronas.proxies.base import ProxyBatch
from chronas.proxies.gradients import gradients, loss, weights


def grasp(net: nn.Module, batch: ProxyBatch) -> float:
    """sum over weights of -w (H g), g the loss gradient and H its Hessian (GraSP, Wang et al. 2020, equation 8).

    Sign and sum as in the code of Abdelfattah et al. 2021. That code runs two forward passes over the same images
    at temperature 1, which give the same g; here one pass serves both.
    """
    own = weights(net)
    flow = gradients(loss(net, batch.images, batch.labels), own, create_graph=True)
    product = torch.stack([(gradient.detach() * gradient).sum() for gradient in flow]).sum()
    curved = gradients(product, own)
    return sum(-float((weight.detach() * part).sum()) for weight, part in zip(own, curved, strict=True))
