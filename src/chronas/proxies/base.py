"""What proxies are given, and the guard around each of them."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from chronas.errors import ProxyError, UsageError
from chronas.proxies import PROXIES, Proxy
from chronas.proxies.guard import spent, untouched
from chronas.seeding import torch_scope
from chronas.training.steps import out_of_memory


@dataclass(frozen=True, eq=False)
class ProxyBatch:
    """The images that candidates are judged by: the same for all networks that are to be compared.

    images   (b, c, h, w) float, normalised, on the device of the network; b at least 2
    labels   (b,) int64 in [0, classes)
    """

    images: Tensor
    labels: Tensor
    classes: int

    def __post_init__(self) -> None:
        count = len(self.images) if self.images.ndim == 4 else 0
        if count < 2 or not self.images.is_floating_point():
            shape = tuple(self.images.shape)
            raise ValueError(f"A batch is (2 or more, c, h, w) float images, but got {self.images.dtype} {shape}.")
        if tuple(self.labels.shape) != (count,) or self.labels.dtype != torch.int64:
            raise ValueError(f"{count} images need as many int64 labels, but got {tuple(self.labels.shape)}.")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= self.classes or self.classes < 2:
            raise ValueError(f"Labels from {low} to {high} do not fit {self.classes} classes.")
        if not bool(self.images.isfinite().all()):
            raise ValueError("A batch holds only finite numbers.")


def score(name: str, net: nn.Module, batch: ProxyBatch, *, keep: bool = True) -> float:
    """The score of `net` by the proxy registered as `name`; higher is better, always finite.

    The network (weights, buffers, gradients, modes, hooks) and the global random state are as before afterwards.
    Scoring happens in train mode with dropout off, in whatever mode the network is. `keep` False is for a network that
    is thrown away after it: it saves the copies, and the network is left as the proxy leaves it. Raises ProxyError
    where there is no finite score, UnknownNameError for an unknown proxy, UsageError for images on another device.
    """
    return score_by(name, PROXIES.load(name), net, batch, keep)


def score_by(name: str, proxy: Proxy, net: nn.Module, batch: ProxyBatch, keep: bool) -> float:
    """`score` by a proxy that need not be registered."""
    with torch_scope(0, "proxy", name, device=str(batch.images.device)):
        return score_unscoped(name, proxy, net, batch, keep)


def score_unscoped(name: str, proxy: Proxy, net: nn.Module, batch: ProxyBatch, keep: bool) -> float:
    """`score` without the care for the global random state: several of it may run in threads side by side."""
    device = batch.images.device
    place = next((p.device for p in net.parameters()), device)
    if place != device:
        raise UsageError(f"The network is on {place}, its images are on {device}: put both in one place.")
    guard = untouched if keep else spent
    with guard(net), torch.inference_mode(False), torch.enable_grad(), _plain_precision(device):
        # A tensor made in inference mode cannot take part in a graph; its copy can.
        own = ProxyBatch(batch.images.clone(), batch.labels.clone(), batch.classes) if _inference(batch) else batch
        try:
            value = float(proxy(net, own))
        except (ValueError, ArithmeticError) as error:
            raise ProxyError(f"{name} cannot score this network: {error}") from error
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            raise ProxyError(f"{name} needs more memory than there is for {len(batch.images)} images.") from error
    if not math.isfinite(value):
        raise ProxyError(f"{name} gives {value} for this network: its weights or gradients are not finite.")
    return value


def _inference(batch: ProxyBatch) -> bool:
    return batch.images.is_inference() or batch.labels.is_inference()


def _plain_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    return torch.autocast(device.type, enabled=False)


def main_output(net: nn.Module, images: Tensor) -> Tensor:
    """The first output of the network, (b, ...): logits; what an auxiliary head adds is left out.

    Raises ProxyError where it holds a number that is not finite: the sign of a weight that is not.
    """
    out = net(images)
    while isinstance(out, tuple | list):
        out = out[0]
    if not bool(out.detach().isfinite().all()):
        raise ProxyError("The network's output is not finite: so are its weights, or it explodes.")
    logits: Tensor = out
    return logits
