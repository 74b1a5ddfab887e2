"""Networks small enough to be followed by hand or by the eye."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chronas.proxies.base import ProxyBatch
from chronas.seeding import torch_scope, torch_stream


def noise_batch(size: int = 6, channels: int = 3, side: int = 8, classes: int = 4, seed: int = 0) -> ProxyBatch:
    images = torch.randn(size, channels, side, side, generator=torch_stream(seed, "test"))
    return ProxyBatch(images, torch.arange(size) % classes, classes)


def flat(rows: list[list[float]], labels: list[int], classes: int = 2) -> ProxyBatch:
    """Each row an image of 1 x 1 pixels with as many channels."""
    return ProxyBatch(torch.tensor(rows)[:, :, None, None], torch.tensor(labels), classes)


def linear(rows: list[list[float]]) -> nn.Linear:
    made = nn.Linear(len(rows[0]), len(rows), bias=False)
    with torch.no_grad():
        made.weight.copy_(torch.tensor(rows))
    return made


def two_layers(first: list[list[float]], second: list[list[float]], *between: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), linear(first), *between, linear(second))


class Branches(nn.Module):
    """Two branches, each with ReLUs; the second is run, and its result thrown away where it is dead."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.live = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 4, 1))
        self.other = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.LeakyReLU(), nn.Conv2d(4, 4, 1))
        self.last = nn.ReLU(inplace=kind == "in place")
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(x)
        out, other = self.live(x), self.other(x)
        if self.kind == "zero":
            out = out + 0 * other
        elif self.kind == "detached":
            out = out + other.detach()
        elif self.kind in ("both", "in place"):
            out = out + other
        logits: Tensor = self.head(self.last(out).mean((2, 3)))
        return (logits, other.mean((2, 3))) if self.kind == "auxiliary" else logits


KINDS = ("both", "in place", "dead", "zero", "detached", "auxiliary")


class Functional(nn.Module):
    """The same twice: ReLUs as modules, or as function calls."""

    def __init__(self, modules: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.relus = nn.ModuleList([nn.ReLU(), nn.ReLU()]) if modules else None
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for place, layer in enumerate((self.first, self.second)):
            x = layer(x)
            x = F.relu(x) if self.relus is None else self.relus[place](x)
        out: Tensor = self.head(x.mean((2, 3)))
        return out


def branches(kind: str) -> Branches:
    with torch_scope(0, "test", "branches"):
        return Branches(kind)


def functional(modules: bool) -> Functional:
    with torch_scope(0, "test", "functional"):
        return Functional(modules)
