"""grad_norm: the length of the loss gradient."""

from __future__ import annotations

from torch import nn

from chronas.proxies.base import ProxyBatch
from chronas.proxies.gradients import loss_gradients


def grad_norm(net: nn.Module, batch: ProxyBatch) -> float:
    """sum over layers of ||dL/dw||_2, L the mean cross-entropy of the batch (Abdelfattah et al. 2021, section 3.2).

    As in their code: weights of convolutions and linear layers alone, one norm per layer and then the sum, where
    "the Euclidean norm of the gradients" in the text could also be read as one norm of all of them.
    """
    return sum(float(gradient.norm()) for _, gradient in loss_gradients(net, batch))
