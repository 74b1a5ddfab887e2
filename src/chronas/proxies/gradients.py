"""Gradients of the loss at initialisation: shared by the proxies that prune by them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch, main_output

Layer = nn.modules.conv._ConvNd | nn.Linear


def layers(net: nn.Module) -> list[Layer]:
    """Convolutions and linear layers: the ones whose weights such proxies count. Raises ProxyError without any."""
    found = [module for module in net.modules() if isinstance(module, Layer)]
    if not found:
        raise ProxyError("The network has no convolution and no linear layer.")
    return found


def weights(net: nn.Module) -> list[Tensor]:
    """The weights of `layers`, each once even where layers share it."""
    return list({id(layer.weight): layer.weight for layer in layers(net)}.values())


def loss(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy; (b, c, h, w) images, (b,) labels. Raises ProxyError where labels do not fit the output."""
    logits = main_output(net, images)
    if logits.ndim != 2 or int(labels.max()) >= logits.shape[1]:
        raise ProxyError(
            f"Labels up to {int(labels.max())} need logits of that many classes, not {tuple(logits.shape)}."
        )
    return F.cross_entropy(logits.float(), labels)


def gradients(value: Tensor, wanted: list[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """d value / d each tensor; zeros where `value` does not depend on it (a dead branch)."""
    if not value.requires_grad:
        return [torch.zeros_like(tensor) for tensor in wanted]
    found = torch.autograd.grad(value, wanted, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(wanted, found, strict=True)]


def loss_gradients(net: nn.Module, batch: ProxyBatch) -> list[tuple[Tensor, Tensor]]:
    """Each weight of `weights` with the gradient of the batch's loss."""
    own = weights(net)
    found = gradients(loss(net, batch.images, batch.labels), own)
    return [(weight.detach(), gradient) for weight, gradient in zip(own, found, strict=True)]
