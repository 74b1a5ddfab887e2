"""Search spaces: plain data, no torch. One file and one line here per space."""

from __future__ import annotations

from chronas.registry import Registry
from chronas.spaces.base import Decision, Space

SPACES: Registry[type[Space]] = Registry("space")
SPACES.add(
    "superkernel",
    "chronas.spaces.superkernel:SuperkernelSpace",
    "a chain of residual layers, each one of the m x m kernels i x j (or a given list of kernels and pools)",
    paper="NASIB section 3.4, 4.1",
)
SPACES.add(
    "resnet",
    "chronas.spaces.resnet:ResNetSpace",
    "residual networks: stem, and per stage its width, number of blocks and kind of block",
    paper="He et al. 2016; Radosavovic et al. 2020",
)

__all__ = ["SPACES", "Decision", "Space"]
