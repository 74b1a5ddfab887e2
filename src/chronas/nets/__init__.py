"""Networks: builders and supernets per space. One file and one line here per space; imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chronas.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from chronas.architecture import Architecture
    from chronas.nets.ops import Cost
    from chronas.spaces import Space
    from chronas.task import Task

BUILDERS: Registry[Any] = Registry("builder")
BUILDERS.add("superkernel", "chronas.nets.superkernel:SuperkernelNetwork", "residual chain of i x j kernels")
BUILDERS.add("resnet", "chronas.nets.resnet:ResNet", "residual network")

SUPERNETS: Registry[Any] = Registry("supernet")
SUPERNETS.add("superkernel", "chronas.nets.superkernel:SuperkernelSupernet", "all kernels of all layers")

COSTS: Registry[Any] = Registry("cost")
COSTS.add("superkernel", "chronas.nets.superkernel:cost", "counted without building")
COSTS.add("resnet", "chronas.nets.resnet:cost", "counted without building")


def build(architecture: Architecture, task: Task) -> nn.Module:
    """The plain network of an architecture: images (b, c, h, w) to logits (b, classes)."""
    net: nn.Module = BUILDERS.load(architecture.space.name)(architecture.space, architecture.choices, task)
    return net


def build_supernet(space: Space, task: Task) -> nn.Module:
    """The supernet of a space: forward(images, mix) to logits. Raises UnknownNameError where there is none."""
    net: nn.Module = SUPERNETS.load(space.name)(space, task)
    return net


def cost(architecture: Architecture, task: Task) -> Cost:
    """Parameters and multiply-adds of an architecture, without building it."""
    counted: Cost = COSTS.load(architecture.space.name)(architecture.space, architecture.choices, task)
    return counted
