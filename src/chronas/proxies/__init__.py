"""Proxies: scores of untrained networks, higher is better. One file and one line here per proxy; imports no torch.

`needs` says what a score depends on: "images" (their values, not only their shape), "labels", "weights", and "relu"
where a network without rectified units has no score.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from chronas.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from chronas.proxies.base import ProxyBatch

Proxy: TypeAlias = "Callable[[nn.Module, ProxyBatch], float]"
"""A plain function; `chronas.proxies.base.score` is the guard around it."""

PROXIES: Registry[Proxy] = Registry("proxy")
PROXIES.add(
    "naswot",
    "chronas.proxies.naswot:naswot",
    "log-determinant of the kernel of Hamming distances between the ReLU codes of the images",
    paper="Mellor et al. 2021, equations 1 and 2",
    needs={"images", "weights", "relu"},
)
PROXIES.add(
    "grad_norm",
    "chronas.proxies.grad_norm:grad_norm",
    "sum over layers of the length of the loss gradient",
    paper="Abdelfattah et al. 2021",
    needs={"images", "labels", "weights"},
)
PROXIES.add(
    "synflow",
    "chronas.proxies.synflow:synflow",
    "sum of weight times gradient in the network of absolute weights, without data",
    paper="Tanaka et al. 2020",
    needs={"weights"},
)
PROXIES.add(
    "snip",
    "chronas.proxies.snip:snip",
    "how much the loss feels each weight's presence: sum of |weight x gradient|",
    paper="Lee et al. 2019",
    needs={"images", "labels", "weights"},
)
PROXIES.add(
    "grasp",
    "chronas.proxies.grasp:grasp",
    "how removing weights changes the gradient flow: sum of -weight x (Hessian x gradient)",
    paper="Wang et al. 2020",
    needs={"images", "labels", "weights"},
)
PROXIES.add(
    "fisher",
    "chronas.proxies.fisher:fisher",
    "Fisher information of the channels, by activation x gradient",
    paper="Turner et al. 2020",
    needs={"images", "labels", "weights"},
)
PROXIES.add(
    "jacob_cov",
    "chronas.proxies.jacob_cov:jacob_cov",
    "how little the input Jacobians of the images correlate: the first version of naswot",
    paper="Mellor et al. 2020, version 1; Abdelfattah et al. 2021",
    needs={"images", "weights"},
)
PROXIES.add(
    "zico",
    "chronas.proxies.zico:zico",
    "mean over deviation of the gradients of several batches, summed per layer",
    paper="Li et al. 2023",
    needs={"images", "labels", "weights"},
)
PROXIES.add(
    "swap",
    "chronas.proxies.swap:swap",
    "number of different activation patterns of the units over the images",
    paper="Peng et al. 2024",
    needs={"images", "weights", "relu"},
)
PROXIES.add(
    "meco",
    "chronas.proxies.meco:meco",
    "sum over feature maps of the smallest eigenvalue of the channels' correlation, on one noise image",
    paper="Jiang et al. 2023",
    needs={"weights"},
)
PROXIES.add(
    "zen",
    "chronas.proxies.zen:zen",
    "change of the last feature map under noise, with Gaussian weights, batch norm's scaling put back",
    paper="Lin et al. 2021",
)
PROXIES.add(
    "params",
    "chronas.proxies.params:params",
    "number of parameters: what every proxy must beat",
)
PROXIES.add(
    "flops",
    "chronas.proxies.flops:flops",
    "multiply-adds for one image: what every proxy must beat",
)

__all__ = ["PROXIES", "Proxy"]
