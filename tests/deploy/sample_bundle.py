"""Tiny bundles with weights and batch-norm statistics that are not the initial ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from chronas.architecture import Architecture, make_space
from chronas.deploy.bundle import Bundle
from chronas.nets import build
from chronas.seeding import torch_scope
from chronas.task import Task

OPTIONS = {"layers": 3, "width": 4, "options": ("max3x3", "avg3x3", "sep5x5", "avg2x3", "max4x2")}
SQUARES = {"layers": 3, "width": 4, "m": 4}


def architecture(settings: Mapping[str, Any], choices: tuple[int, ...]) -> Architecture:
    return Architecture(make_space("superkernel", settings), choices)


def bundle_of(found: Architecture, task: Task, **more: Any) -> Bundle:
    """A bundle of `found` with fixed random weights."""
    with torch_scope(1, "test"):
        net = build(found, task)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
                nn.init.normal_(module.weight, 1.0, 0.3)
                nn.init.normal_(module.bias, 0.0, 0.3)
    settings: dict[str, Any] = {
        "classes": ("cat", 'dög "1"', "bird")[: task.classes],
        "mean": (0.5, 0.4, 0.3)[: task.channels],
        "std": (0.2, 0.25, 0.3)[: task.channels],
        "metrics": {"test_accuracy": 91.25},
    }
    return Bundle(net.eval(), found, task, **{**settings, **more})


def rgb() -> Bundle:
    """Pools and a separable kernel on odd maps with a reduction: everything that pads."""
    return bundle_of(architecture(OPTIONS, (0, 1, 2)), Task(3, 9, 9, 3))


def even() -> Bundle:
    """Even kernels and even pools, on grey images that are not square."""
    return bundle_of(architecture(OPTIONS, (3, 4, 2)), Task(1, 10, 13, 3))


def kernels() -> Bundle:
    """Superkernel options 2x4, 4x1 and 4x4 (the last is separable), grey."""
    return bundle_of(architecture(SQUARES, (7, 12, 15)), Task(1, 8, 8, 3))


def residual() -> Bundle:
    """A network of another space."""
    space = make_space("resnet", {"widths": (4, 6), "most_blocks": 2})
    names = {d.name: d.options[-1] for d in space.decisions}
    return bundle_of(Architecture(space, space.from_names(names)), Task(3, 16, 16, 3))


def logits(bundle: Bundle, count: int = 5) -> torch.Tensor:
    """What the network says to fixed images."""
    task = bundle.task
    images = torch.linspace(-2, 2, count * task.channels * task.height * task.width)
    with torch.no_grad():
        out: torch.Tensor = bundle.net(images.sin().view(count, task.channels, task.height, task.width))
    return out
