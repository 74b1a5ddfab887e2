"""Networks of TransNAS-Bench-101 for classification, in both of its spaces."""

from __future__ import annotations

from torch import Tensor, nn

from chronas.nets.cell_ops import FactorizedReduce, ReluConvBN
from chronas.nets.ops import Cost, Head
from chronas.spaces.edgecell import EDGES, live_edges
from chronas.spaces.transnas import BlockPlan, TransNasPlan, TransNasSpace
from chronas.task import Task
from chronas.work import Choices

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
Edge = tuple[int, int, str, BlockPlan]
"""Source, target, operation, and the shapes that it maps between."""


def cell_edges(plan: BlockPlan, operations: tuple[str, ...]) -> list[Edge]:
    """The edges of a cell that reach its output; those from the input change the shape."""
    height, width = -(-plan.height // plan.stride), -(-plan.width // plan.stride)
    inner = BlockPlan(plan.channels_out, plan.channels_out, 1, height, width)
    return [
        (source, target, op, inner if source else plan)
        for (source, target), op, live in zip(EDGES, operations, live_edges(operations), strict=True)
        if live
    ]


def build_edge(operation: str, plan: BlockPlan) -> nn.Module:
    """The module of `operation`, which is not "none"."""
    if operation in KERNELS:
        return ReluConvBN(plan.channels_in, plan.channels_out, KERNELS[operation], plan.stride)
    return nn.Identity() if plan.stride == 1 else FactorizedReduce(plan.channels_in, plan.channels_out)


def edge_cost(operation: str, plan: BlockPlan) -> Cost:
    """Cost of `build_edge(operation, plan)`."""
    if operation not in KERNELS and plan.stride == 1:
        return Cost()
    pixels = -(-plan.height // plan.stride) * -(-plan.width // plan.stride)
    return ReluConvBN.cost(plan.channels_in, plan.channels_out, KERNELS.get(operation, 1), pixels)


class MicroCell(nn.Module):
    """Four nodes, each the sum of its edges; a node without any is zero."""

    def __init__(self, plan: BlockPlan, operations: tuple[str, ...]) -> None:
        super().__init__()
        edges = cell_edges(plan, operations)
        self.edges = nn.ModuleList(build_edge(op, shapes) for _, _, op, shapes in edges)
        self.reads = [
            [(place, source) for place, (source, target, _, _) in enumerate(edges) if target == node]
            for node in (1, 2, 3)
        ]
        self.node_shape = (plan.channels_out, -(-plan.height // plan.stride), -(-plan.width // plan.stride))

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for reads in self.reads:
            terms = [self.edges[place](nodes[source]) for place, source in reads]
            nodes.append(sum(terms[1:], start=terms[0]) if terms else x.new_zeros(len(x), *self.node_shape))
        return nodes[-1]


class BasicBlock(nn.Module):
    """shortcut(x) + two times ReLU, 3x3 convolution, batch norm; a 1x1 shortcut where the shape changes."""

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        first = ReluConvBN(plan.channels_in, plan.channels_out, 3, plan.stride)
        self.body = nn.Sequential(first, ReluConvBN(plan.channels_out, plan.channels_out, 3))
        self.shortcut: nn.Module = nn.Identity()
        if changes_shape(plan):
            conv = nn.Conv2d(plan.channels_in, plan.channels_out, 1, plan.stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(plan.channels_out))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.body(x)
        return out

    @staticmethod
    def cost(plan: BlockPlan) -> Cost:
        pixels = -(-plan.height // plan.stride) * -(-plan.width // plan.stride)
        total = ReluConvBN.cost(plan.channels_in, plan.channels_out, 3, pixels)
        total += ReluConvBN.cost(plan.channels_out, plan.channels_out, 3, pixels)
        if changes_shape(plan):
            total += ReluConvBN.cost(plan.channels_in, plan.channels_out, 1, pixels)
        return total


def changes_shape(plan: BlockPlan) -> bool:
    """Whether a block needs a convolution on its shortcut."""
    return plan.stride != 1 or plan.channels_in != plan.channels_out


def live_blocks(plan: TransNasPlan) -> tuple[BlockPlan, ...]:
    """The blocks that reach the output: of cells that do not read their input, the last alone."""
    if plan.operations and not any(source == 0 for source, *_ in cell_edges(plan.blocks[-1], plan.operations)):
        return plan.blocks[-1:]
    return plan.blocks


class TransNasNetwork(nn.Module):
    """Stem, modules of two blocks, head: images (b, c, h, w) to logits (b, classes). Dead parts are left out."""

    def __init__(self, space: TransNasSpace, choices: Choices, task: Task) -> None:
        super().__init__()
        plan = space.layout(choices, task)
        width, half = space.settings.width, space.settings.width // 2
        blocks = live_blocks(plan)
        self.stem = nn.Sequential()
        if len(blocks) == len(plan.blocks):
            strides = [2 if place < plan.halvings else 1 for place in (0, 1)]
            conv = nn.Conv2d(task.channels, half, 3, strides[0], 1, bias=False)
            self.stem = nn.Sequential(conv, nn.BatchNorm2d(half), ReluConvBN(half, width, 3, strides[1]))
        self.blocks = nn.Sequential(
            *(MicroCell(block, plan.operations) if plan.operations else BasicBlock(block) for block in blocks)
        )
        self.head = Head(blocks[-1].channels_out, task.classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.blocks(self.stem(x)))
        return out


def cost(space: TransNasSpace, choices: Choices, task: Task) -> Cost:
    """Parameters and multiply-adds of `TransNasNetwork`, counted without building it."""
    plan, width = space.layout(choices, task), space.settings.width
    blocks = live_blocks(plan)
    total = Head.cost(blocks[-1].channels_out, task.classes)
    if len(blocks) == len(plan.blocks):
        height, side = task.height, task.width
        for place, (channels_in, channels_out) in enumerate(((task.channels, width // 2), (width // 2, width))):
            if place < plan.halvings:
                height, side = -(-height // 2), -(-side // 2)
            total += ReluConvBN.cost(channels_in, channels_out, 3, height * side)
    for block in blocks:
        if not plan.operations:
            total += BasicBlock.cost(block)
        for _, _, operation, shapes in cell_edges(block, plan.operations) if plan.operations else ():
            total += edge_cost(operation, shapes)
    return total
