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
BUILDERS.add("nasbench201", "chronas.nets.nasbench201:NasBench201Network", "three stages of equal cells")
BUILDERS.add("natssize", "chronas.nets.natssize:NatsSizeNetwork", "three fixed cells of chosen widths")
BUILDERS.add("nasbench101", "chronas.nets.nasbench101:NasBench101Network", "three stacks of equal graphs")
BUILDERS.add("nds_nasnet", "chronas.nets.nds:NdsNetwork", "NASNet cells")
BUILDERS.add("nds_amoebanet", "chronas.nets.nds:NdsNetwork", "AmoebaNet cells")
BUILDERS.add("nds_pnas", "chronas.nets.nds:NdsNetwork", "PNAS cells")
BUILDERS.add("nds_enas", "chronas.nets.nds:NdsNetwork", "ENAS cells")
BUILDERS.add("nds_darts", "chronas.nets.nds:NdsNetwork", "DARTS cells")
BUILDERS.add("nasbench_macro", "chronas.nets.nasbench_macro:NasBenchMacroNet", "chain of inverted residual blocks")
BUILDERS.add("transnas_micro", "chronas.nets.transnas:TransNasNetwork", "five modules of equal cells")
BUILDERS.add("transnas_macro", "chronas.nets.transnas:TransNasNetwork", "modules of residual blocks")

SUPERNETS: Registry[Any] = Registry("supernet")
SUPERNETS.add("superkernel", "chronas.nets.superkernel:SuperkernelSupernet", "all kernels of all layers")

COSTS: Registry[Any] = Registry("cost")
COSTS.add("superkernel", "chronas.nets.superkernel:cost", "counted without building")
COSTS.add("resnet", "chronas.nets.resnet:cost", "counted without building")
COSTS.add("nasbench201", "chronas.nets.nasbench201:cost", "counted without building")
COSTS.add("natssize", "chronas.nets.natssize:cost", "counted without building")
COSTS.add("nasbench101", "chronas.nets.nasbench101:cost", "counted without building")
COSTS.add("nds_nasnet", "chronas.nets.nds:cost", "counted without building")
COSTS.add("nds_amoebanet", "chronas.nets.nds:cost", "counted without building")
COSTS.add("nds_pnas", "chronas.nets.nds:cost", "counted without building")
COSTS.add("nds_enas", "chronas.nets.nds:cost", "counted without building")
COSTS.add("nds_darts", "chronas.nets.nds:cost", "counted without building")
COSTS.add("nasbench_macro", "chronas.nets.nasbench_macro:cost", "counted without building")
COSTS.add("transnas_micro", "chronas.nets.transnas:cost", "counted without building")
COSTS.add("transnas_macro", "chronas.nets.transnas:cost", "counted without building")


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
