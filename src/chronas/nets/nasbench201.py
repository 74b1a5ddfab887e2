"""Networks of NAS-Bench-201: three stages of equal cells, residual reductions between them that double the width."""

from __future__ import annotations

from chronas.nets.ops import Cost
from chronas.nets.skeleton import LayerPlan, SkeletonNetwork, plan_layers, skeleton_cost
from chronas.spaces.nasbench201 import NasBench201Space
from chronas.task import Task
from chronas.work import Choices


def _layers(space: NasBench201Space, task: Task) -> list[LayerPlan]:
    channels, cells = space.settings.channels, space.settings.cells
    layers = [(False, channels)] * cells
    for stage in (1, 2):
        layers += [(True, channels * 2**stage), *[(False, channels * 2**stage)] * cells]
    return plan_layers(channels, layers, task)


class NasBench201Network(SkeletonNetwork):
    """With channels 16, cells 5 and a 3 x 32 x 32 image it has the published `params_m` and `flops_m`."""

    def __init__(self, space: NasBench201Space, choices: Choices, task: Task) -> None:
        super().__init__(space.operations(choices), _layers(space, task), task)


def cost(space: NasBench201Space, choices: Choices, task: Task) -> Cost:
    """Parameters and multiply-adds of `NasBench201Network`, counted without building it."""
    return skeleton_cost(space.operations(choices), _layers(space, task), task)
