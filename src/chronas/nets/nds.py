"""Networks of the five NDS cell spaces."""

from __future__ import annotations

from chronas.nets.cells import CellNetwork, cells_cost
from chronas.nets.ops import Cost
from chronas.spaces.nds import NdsSpace
from chronas.task import Task
from chronas.work import Choices


class NdsNetwork(CellNetwork):
    """The network of two cells, a width and a depth: images (b, c, h, w) to logits (b, classes).

    Without the drop path and the auxiliary head that NDS trained with.
    """

    def __init__(self, space: NdsSpace, choices: Choices, task: Task) -> None:
        super().__init__(space.layout(choices, task), task)


def cost(space: NdsSpace, choices: Choices, task: Task) -> Cost:
    """Parameters and multiply-adds of `NdsNetwork`, counted without building it."""
    return cells_cost(space.layout(choices, task), task)
