"""Fidelity "proxy": the score of an untrained network on one batch of training images."""

from __future__ import annotations

from functools import cached_property

from torch import nn

from chronas import nets
from chronas.architecture import Architecture
from chronas.budget import Ledger
from chronas.data.batches import Batches
from chronas.data.images import ImageData
from chronas.proxies.base import ProxyBatch, score
from chronas.seeding import derive
from chronas.spaces import Space
from chronas.task import Task
from chronas.training.at_once import AtOnce
from chronas.training.hardware import Hardware
from chronas.training.network import seeded_network
from chronas.work import Evaluate

BATCH = 128
"""Images that every network is judged by (Mellor et al. 2021: 128)."""


class UntrainedScore(AtOnce):
    """Every network gets the same images, without augmentation; equal networks get the same initial weights."""

    def __init__(self, space: Space, data: ImageData, hardware: Hardware, seed: int, *, batch: int = BATCH) -> None:
        super().__init__()
        self.space, self.data, self.hardware, self.seed, self.size = space, data, hardware, seed, batch

    @cached_property
    def batch(self) -> ProxyBatch:
        """The images. Made when the first network is scored: many searches never score one."""
        return proxy_batch(self.data, self.hardware, self.seed, self.size)

    def judge(self, work: Evaluate, ledger: Ledger) -> dict[str, float]:
        """`score`, `params` and `madds`. Raises ProxyError."""
        architecture = Architecture(self.space, work.choices)
        counted = nets.cost(architecture, self.data.task)
        net = untrained(architecture, self.data.task, self.hardware, self.seed)
        found = score(work.fidelity.proxy, net, self.batch)
        return {"score": found, "params": float(counted.params), "madds": float(counted.madds)}


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
