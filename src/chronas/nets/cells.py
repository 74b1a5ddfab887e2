"""Networks of cells, built from a plan: the NDS spaces, DARTS, Prune-and-Replace."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from chronas.nets.cell_ops import FactorizedReduce, ReluConvBN, build_cell_op, cell_op_cost
from chronas.nets.ops import Cost, Head
from chronas.spaces.cells import CellPlan, CellsPlan
from chronas.task import Task


class Cell(nn.Module):
    """Project the two previous outputs to `channels`; add two operations per node; concatenate the nodes."""

    def __init__(self, plan: CellPlan) -> None:
        super().__init__()
        older, newer = plan.inputs
        self.older, self.newer = None, None
        if 0 in plan.live:
            project = FactorizedReduce if plan.shrink else project_1x1
            self.older = project(older, plan.channels)
        if 1 in plan.live:
            self.newer = project_1x1(newer, plan.channels)
        edges = list(plan.edges())
        self.ops = nn.ModuleList(build_cell_op(edge.op, plan.channels, edge.stride) for edge in edges)
        self.reads = [
            [(place, edge.input) for place, edge in enumerate(edges) if edge.node == node]
            for node in range(2, plan.cell.nodes + 2)
        ]
        self.concat = plan.cell.concat
        self.node_shape = (plan.channels, *plan.out_size)

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        states = {}
        if self.older is not None:
            states[0] = self.older(older)
        if self.newer is not None:
            states[1] = self.newer(newer)
        for node, reads in enumerate(self.reads, start=2):
            terms = [self.ops[place](states[state]) for place, state in reads]
            # A node without operations has only "none", or nobody reads it.
            states[node] = sum(terms[1:], start=terms[0]) if terms else newer.new_zeros(len(newer), *self.node_shape)
        return torch.cat([states[node] for node in self.concat], dim=1)


class PassOn(nn.Module):
    """In the place of a cell that cannot reach the output: nobody looks at what it gives out."""

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        return newer


class CellStem(nn.Module):
    """The outputs that the first two cells read: one 3x3 convolution, or three of stride 2 for large images."""

    def __init__(self, plan: CellsPlan, channels_in: int) -> None:
        super().__init__()
        self.large, width = plan.large, plan.stem
        self.older, self.newer = nn.Sequential(), nn.Sequential()
        if any(plan.stem_live):
            widths = (channels_in, width // 2, width) if self.large else (channels_in, width)
            layers: list[nn.Module] = []
            for width_in, width_out in pairwise(widths):
                layers += [nn.ReLU()] if layers else []
                layers += _conv_bn(width_in, width_out, 2 if self.large else 1)
            self.older = nn.Sequential(*layers)
        if self.large and plan.stem_live[1]:
            self.newer = nn.Sequential(nn.ReLU(), *_conv_bn(width, width, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        older = self.older(x)
        return older, self.newer(older)

    @staticmethod
    def cost(plan: CellsPlan, task: Task) -> Cost:
        """Cost on the images of `task`."""
        width, (height, side) = plan.stem, (task.height, task.width)
        widths = (task.channels, width // 2, width, width) if plan.large else (task.channels, width)
        live = any(plan.stem_live)
        total = Cost()
        for place, (width_in, width_out) in enumerate(pairwise(widths)):
            if plan.large:
                height, side = -(-height // 2), -(-side // 2)
            if plan.stem_live[1] if place == 2 else live:
                total += ReluConvBN.cost(width_in, width_out, 3, height * side)
        return total


class AuxiliaryHead(nn.Module):
    """A second classifier on the maps of the cell at 2/3 of the depth, for training alone (DARTS, CIFAR form)."""

    def __init__(self, channels: int, classes: int, height: int, width: int) -> None:
        super().__init__()
        pool = nn.AvgPool2d(5, stride=3, count_include_pad=False) if min(height, width) >= 8 else nn.Identity()
        self.features = nn.Sequential(
            nn.ReLU(),
            pool,
            nn.AdaptiveAvgPool2d(2),  # changes nothing on the published 8x8 maps
            *(nn.Conv2d(channels, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU()),
            *(nn.Conv2d(128, 768, 2, bias=False), nn.BatchNorm2d(768), nn.ReLU(), nn.Flatten()),
        )
        self.linear = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.features(x).float())
        return out


class CellNetwork(nn.Module):
    """Stem, cells, head: images (b, c, h, w) to logits (b, classes). A plan with `auxiliary` adds that head."""

    def __init__(self, plan: CellsPlan, task: Task) -> None:
        super().__init__()
        self.stem = CellStem(plan, task.channels)
        self.cells = nn.ModuleList(Cell(part) if part.live else PassOn() for part in plan.cells)
        self.head = Head(plan.cells[-1].outputs, task.classes)
        self.auxiliary_head: AuxiliaryHead | None = None
        if plan.auxiliary is not None:
            read = plan.cells[plan.auxiliary]
            self.auxiliary_head = AuxiliaryHead(read.outputs, task.classes, *read.out_size)
        self.auxiliary = plan.auxiliary

    def forward(self, x: Tensor) -> Tensor:
        older, newer = self.stem(x)
        for cell in self.cells:
            older, newer = newer, cell(older, newer)
        out: Tensor = self.head(newer)
        return out

    def forward_both(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits, and those of the auxiliary head where there is one."""
        second = None
        older, newer = self.stem(x)
        for place, cell in enumerate(self.cells):
            older, newer = newer, cell(older, newer)
            if self.auxiliary_head is not None and place == self.auxiliary:
                second = self.auxiliary_head(newer)
        return self.head(newer), second


def project_1x1(channels_in: int, channels_out: int) -> ReluConvBN:
    """ReLU, 1x1 convolution, batch norm."""
    return ReluConvBN(channels_in, channels_out, 1)


def _conv_bn(channels_in: int, channels_out: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False), nn.BatchNorm2d(channels_out)]


def cells_cost(plan: CellsPlan, task: Task) -> Cost:
    """Parameters and multiply-adds of `CellNetwork(plan, task)` without its auxiliary head, not building it."""
    total = CellStem.cost(plan, task) + Head.cost(plan.cells[-1].outputs, task.classes)
    for part in plan.cells:
        # Halving the older input gives a map of this cell's size, as 1x1 convolutions of stride 1 on it would.
        for state in part.live & {0, 1}:
            total += ReluConvBN.cost(part.inputs[state], part.channels, 1, part.height * part.width)
        for edge in part.edges():
            total += cell_op_cost(edge.op, part.channels, edge.stride, edge.height, edge.width)
    return total
