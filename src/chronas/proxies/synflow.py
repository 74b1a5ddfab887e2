"""synflow: what flows through the network of absolute weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from chronas.proxies.base import ProxyBatch, main_output
from chronas.proxies.gradients import gradients, layers


def synflow(net: nn.Module, batch: ProxyBatch) -> float:
    """sum over weights of |w dR/dw|, R the sum of the outputs for one image of ones (Tanaka et al. 2020, section 6).

    Every parameter is replaced by its absolute value and batch norm by the identity, in float64: products over
    depth leave the range of float32. As in the code of Abdelfattah et al. 2021, where the copy without batch norm
    is built anew, the sum runs over the weights of convolutions and linear layers; the paper's runs over all.
    """
    own = {name: _positive(parameter) for name, parameter in net.named_parameters()}
    buffers = {name: buffer.double() for name, buffer in net.named_buffers() if buffer.is_floating_point()}
    places = {id(parameter): name for name, parameter in net.named_parameters()}
    counted = [own[name] for name in dict.fromkeys(places[id(layer.weight)] for layer in layers(net))]
    ones = torch.ones_like(batch.images[:1], dtype=torch.float64)
    with without_batch_norm(net), InDouble():
        flow = functional_call(_Main(net), {f"net.{k}": v for k, v in (own | buffers).items()}, (ones,)).sum()
    return sum(float((w.detach() * g).abs().sum()) for w, g in zip(counted, gradients(flow, counted), strict=True))


def _positive(parameter: Tensor) -> Tensor:
    return parameter.detach().abs().double().requires_grad_(True)


class _Main(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return main_output(self.net, images)


@contextmanager
def without_batch_norm(net: nn.Module) -> Iterator[None]:
    """A block in which every batch norm gives out what it is given."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and "forward" not in vars(m)]
    for norm in norms:
        vars(norm)["forward"] = _identity
    try:
        yield
    finally:
        for norm in norms:
            del vars(norm)["forward"]


def _identity(x: Tensor) -> Tensor:
    return x


class InDouble(TorchFunctionMode):
    """Functions that are told to give float32 (a mean for a classifier, `.float()`) give float64."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if kwargs.get("dtype") is torch.float32:
            kwargs["dtype"] = torch.float64
        if func is Tensor.float:
            func = Tensor.double
        return func(*(torch.float64 if arg is torch.float32 else arg for arg in args), **kwargs)
