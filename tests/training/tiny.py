"""A tiny learnable data set, networks and helpers for the training tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.data.images import ImageData, Split, channel_statistics
from chronas.runs.packing import pack, unpack
from chronas.seeding import torch_stream
from chronas.spaces import Space
from chronas.training.hardware import Hardware
from chronas.training.network import seeded_network

CPU = Hardware("cpu", bfloat16=False)
CLASSES = 2


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def split(count: int, seed: int) -> Split:
    """Noise; images of class 1 are brighter on the left."""
    generator = torch_stream(seed, "tiny")
    images = torch.randint(0, 150, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % CLASSES
    images[labels == 1, :, :, :4] += 60
    return Split(images, labels)


def data(train: int = 96, val: int = 40) -> ImageData:
    parts = split(train, 0), split(val, 1)
    mean, std = channel_statistics(parts[0].images)
    return ImageData(*parts, None, ("dark", "bright"), mean, std, "tiny", "0" * 32)


def space(**settings: Any) -> Space:
    return make_space("superkernel", {"layers": 2, "width": 4, "m": 2, "reductions": 1, **settings})


def network(seed: int = 0, **settings: Any) -> nn.Module:
    made = space(**settings)
    architecture = Architecture(made, (3, 1))
    return seeded_network(lambda: nets.build(architecture, data().task), seed, "test")


def through_a_file(state: Mapping[str, Any]) -> Any:
    """What a snapshot makes of a state."""
    packed, tensors = pack(state)
    return unpack(json.loads(json.dumps(packed)), {name: tensor.clone() for name, tensor in tensors.items()})


def same(first: nn.Module, second: nn.Module) -> bool:
    """Whether all weights and statistics are bit-identical."""
    one, two = first.state_dict(), second.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
