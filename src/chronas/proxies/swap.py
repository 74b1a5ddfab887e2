"""swap: how many different things the units of a network do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch, main_output
from chronas.proxies.relus import watch_relus

IMAGES = 64


def swap(net: nn.Module, batch: ProxyBatch) -> float:
    """Number of different activation patterns over the units of all ReLUs (SWAP-Score, Peng et al. 2024, section 3).

    The pattern of a unit is its sign for each image of the batch, so the score counts distinct columns of the
    binary matrix images x units, over all layers together. The first 64 images are used: a pattern then is one
    64-bit word and the count exact (the released code takes 16; with many more, nearly every pattern is its own).
    As there, units on maps count and those of vectors do not. Left out: repeats with Gaussian weights, and the
    regularised form, whose mean and width of the network size belong to a search and not to a network.
    """
    words: list[Tensor] = []
    with torch.no_grad(), watch_relus(net, lambda x: words.append(_patterns(x)) if x.ndim == 4 else None) as seen:
        main_output(net, batch.images[:IMAGES])
    if not seen or not words:
        raise ProxyError("swap sees no ReLU on maps in this network.")
    return float(len(np.unique(torch.cat(words).cpu().numpy())))


def _patterns(pre_activation: Tensor) -> Tensor:
    """(b, ...) to one int64 word per unit, bit i set where the unit is active for image i; each pattern once."""
    active = pre_activation.flatten(1) > 0
    total = torch.zeros(active.shape[1], dtype=torch.int64, device=active.device)
    for place, row in enumerate(active):
        total |= row.long() << place
    found: Tensor = total.unique()  # type: ignore[no-untyped-call]
    return found
