"""Fidelity "proxy": the score of an untrained network on one batch of training images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from torch import nn

from chronas import nets
from chronas.architecture import Architecture
from chronas.budget import Ledger, Slowest
from chronas.data.batches import Batches
from chronas.data.images import ImageData
from chronas.proxies.base import ProxyBatch, score
from chronas.seeding import derive
from chronas.spaces import Space
from chronas.task import Task
from chronas.training.hardware import Hardware
from chronas.training.network import seeded_network
from chronas.work import Evaluate

BATCH = 128
"""Images that every network is judged by (Mellor et al. 2021: 128)."""


class UntrainedScore:
    """Every network gets the same images, without augmentation; equal networks get the same initial weights."""

    def __init__(self, space: Space, data: ImageData, hardware: Hardware, seed: int, *, batch: int = BATCH) -> None:
        self.space, self.data, self.hardware, self.seed, self.size = space, data, hardware, seed, batch
        self._slowest = Slowest()

    @cached_property
    def batch(self) -> ProxyBatch:
        """The images. Made when the first network is scored: many searches never score one."""
        return proxy_batch(self.data, self.hardware, self.seed, self.size)

    @property
    def least(self) -> float:
        """Seconds of the slowest score so far (fading)."""
        return self._slowest.seconds

    def evaluate(
        self, work: Evaluate, ledger: Ledger, pause: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        """`score`, `params` and `madds`; short enough never to be cut off. Raises ProxyError."""
        began = time.monotonic()
        architecture = Architecture(self.space, work.choices)
        counted = nets.cost(architecture, self.data.task)
        net = untrained(architecture, self.data.task, self.hardware, self.seed)
        found = score(work.fidelity.proxy, net, self.batch)
        self._slowest.took(time.monotonic() - began)
        return {"score": found, "params": float(counted.params), "madds": float(counted.madds)}

    def drop(self) -> None:
        """Nothing is ever cut off."""

    def notes(self) -> list[str]:
        return []

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""


def untrained(architecture: Architecture, task: Task, hardware: Hardware, seed: int) -> nn.Module:
    """The network on its device as it is before training; equal networks have equal weights, drawn by `seed`."""
    own = architecture.space.exact(architecture.choices)
    return hardware.place(seeded_network(lambda: nets.build(architecture, task), seed, "proxy", *own))


def proxy_batch(data: ImageData, hardware: Hardware, seed: int, size: int = BATCH) -> ProxyBatch:
    """`size` training images (fewer where there are no more), drawn by `seed`, normalised, on the device."""
    batches = Batches(data.train, min(size, len(data.train)), mean=data.mean, std=data.std,
                      seed=derive(seed, "proxy"), purpose="proxy", device=hardware.device)  # fmt: skip
    images, labels = batches.batch(0)
    return ProxyBatch(images, labels, len(data.classes))
