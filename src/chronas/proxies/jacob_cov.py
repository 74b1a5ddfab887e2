"""jacob_cov: correlation of the input Jacobians."""

from __future__ import annotations

import numpy as np
from torch import nn

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch, main_output
from chronas.proxies.gradients import gradients

EPSILON = 1e-5


def jacob_cov(net: nn.Module, batch: ProxyBatch) -> float:
    """-sum over eigenvalues v of (log(v + 1e-5) + 1/(v + 1e-5)) of the correlation matrix of the Jacobians.

    The Jacobian of an image is d(sum of all outputs)/d image (Mellor et al., version 1 of 2020, section 3; its code
    and that of Abdelfattah et al. 2021). With batch norm in train mode other images' outputs take part in it, as in
    both codes. The matrix is symmetric, so its eigenvalues are taken as such, in float64.
    """
    images = batch.images.detach().clone().requires_grad_(True)
    (jacobian,) = gradients(main_output(net, images).sum(), [images])
    rows = jacobian.flatten(1).double().cpu().numpy()
    if not (rows.std(axis=1) > 0).all():
        raise ProxyError("The output does not depend on some of the images: their Jacobian is constant.")
    values = np.linalg.eigvalsh(np.corrcoef(rows)).clip(min=0.0) + EPSILON
    return -float(np.sum(np.log(values) + 1 / values))
