"""naswot: how differently the untrained network sees the images."""

from __future__ import annotations

import weakref

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from chronas.errors import ProxyError
from chronas.proxies.base import ProxyBatch, main_output
from chronas.proxies.hamming import Activity, activity, kernel_of
from chronas.proxies.relus import bare_graph, reached, watch_relus
from chronas.training.hardware import Hardware, Precision


def naswot(net: nn.Module, batch: ProxyBatch, *, precision: Precision = "auto") -> float:
    """log det K with K_ij = sum over ReLU units of (1 - |c_i - c_j|), c = (pre-activation > 0) (Mellor et al. 2021).

    Equations 1 and 2 of the paper, in train mode, with the sum over all layers not divided by the number of units
    (as in the released code). `precision` "auto" computes the forward pass in bfloat16 where the hardware does so
    natively; "float32" gives the very K of the released code.

    Where text and code differ: the code finds by a backward pass which ReLUs count, here they are found in the
    graph of the one forward pass: the same set, but for a ReLU module that is called in several places, whose dead
    calls are left out too. A branch multiplied by zero is in the graph, so it counts in both; but the cells of
    NAS-Bench-201 here do not run what leads to `none` alone, where the released network multiplies it by zero
    (`as_published` of `chronas.nets.skeleton` does so too; Kendall's tau between both scores: 0.93). The code sees
    modules alone, by "ReLU" in the class name, which would count a block named ReLUConvBN beside its own ReLU; here
    each unit counts once, and calls of F.relu are seen. The code ignores a singular K; here it is an error.

    Raises ProxyError without ReLUs, and where two images have the same code.
    """
    kernel = hamming_kernel(net, batch.images, precision=precision)
    same = int(np.count_nonzero(np.triu(kernel >= kernel[0, 0], 1)))
    if same:
        raise ProxyError(f"{same} pairs of images have the same code: the kernel of naswot is singular.")
    sign, logarithm = np.linalg.slogdet(kernel)
    # The rank is at most the number of units and one.
    if sign <= 0 or len(kernel) > kernel[0, 0] + 1:
        raise ProxyError(f"The kernel of naswot is singular: {len(kernel)} images for {kernel[0, 0]:.0f} units.")
    return float(logarithm)


def hamming_kernel(net: nn.Module, images: Tensor, *, precision: Precision = "float32") -> npt.NDArray[np.float64]:
    """The kernel of equation 1 for (b, c, h, w) images, in units: (b, b), exact integers. Raises ProxyError."""
    hardware = Hardware.find(str(images.device), precision)
    # In float32 the layout stays: another one rounds differently, which flips signs of numbers next to zero.
    layout = torch.channels_last if hardware.bfloat16 else torch.preserve_format
    placed = images.detach().clone(memory_format=layout).requires_grad_(True)
    with watch_relus(net, _Remembering()) as seen, bare_graph(), hardware.autocast():
        output = main_output(net, placed)
    counted = reached(output, seen)
    if not counted:
        raise ProxyError("naswot sees no ReLU that the output depends on.")
    return kernel_of(counted)


class _Remembering:
    """`activity`, computed once for ReLUs that read the same tensor, as those of one node of a cell do."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[weakref.ref[Tensor], int, Activity]] = {}

    def __call__(self, pre_activation: Tensor) -> Activity:
        reference, version, found = self.known.get(id(pre_activation), (None, -1, None))
        if (
            found is None
            or reference is None
            or reference() is not pre_activation
            or version != pre_activation._version
        ):
            found = activity(pre_activation)
            self.known[id(pre_activation)] = (weakref.ref(pre_activation), pre_activation._version, found)
        return found
