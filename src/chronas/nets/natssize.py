"""Networks of the size space of NATS-Bench: cell, reduction, cell, reduction, cell, each of its own width."""

from __future__ import annotations

from chronas.nets.ops import Cost
from chronas.nets.skeleton import LayerPlan, SkeletonNetwork, plan_layers, skeleton_cost
from chronas.spaces.edgecell import parse_cell
from chronas.spaces.nasbench201 import OPERATIONS
from chronas.spaces.natssize import CELL, NatsSizeSpace
from chronas.task import Task
from chronas.work import Choices

CELL_OPERATIONS = parse_cell(CELL, OPERATIONS)


def _layers(space: NatsSizeSpace, choices: Choices, task: Task) -> list[LayerPlan]:
    widths = space.widths(choices)
    return plan_layers(widths[0], [(place % 2 == 1, width) for place, width in enumerate(widths)], task)


class NatsSizeNetwork(SkeletonNetwork):
    """The stem has the width of the first layer; a copy that changes the width is a 1x1 convolution with norm."""

    def __init__(self, space: NatsSizeSpace, choices: Choices, task: Task) -> None:
        super().__init__(CELL_OPERATIONS, _layers(space, choices, task), task)


def cost(space: NatsSizeSpace, choices: Choices, task: Task) -> Cost:
    """Parameters and multiply-adds of `NatsSizeNetwork`, counted without building it."""
    return skeleton_cost(CELL_OPERATIONS, _layers(space, choices, task), task)
