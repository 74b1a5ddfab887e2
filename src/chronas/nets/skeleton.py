"""The network around cells of the edge kind: NAS-Bench-201 and both spaces of NATS-Bench.

stem (3x3 convolution, batch norm), layers (cells and residual reductions), head (batch norm, ReLU, mean, linear).
Initial weights are PyTorch's. Beside the published network: images above 64 pixels a side are halved in the stem,
odd maps are pooled with a smaller last window, and no reduction goes below 4 pixels a side (it then only widens).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from chronas.nets.edgecell import EdgeCell, ReLUConvBN, conv_cost
from chronas.nets.ops import Cost, Head
from chronas.spaces.edgecell import passes
from chronas.spaces.superkernel import LARGEST_MAP, SMALLEST_MAP
from chronas.task import Task


@dataclass(frozen=True)
class LayerPlan:
    """A cell (`stride` 0) or a residual reduction, with the size of the map that leaves it."""

    channels_in: int
    channels_out: int
    stride: int
    height: int
    width: int

    @property
    def is_cell(self) -> bool:
        return self.stride == 0


def shrink(task: Task) -> tuple[int, int, int]:
    """How often the stem halves the image, and height and width after it."""
    height, width, halvings = task.height, task.width, 0
    while max(height, width) > LARGEST_MAP:
        height, width, halvings = -(-height // 2), -(-width // 2), halvings + 1
    return halvings, height, width


def reduction_stride(height: int, width: int) -> int:
    """2, or 1 where the map would fall below 4 pixels a side."""
    return 2 if -(-min(height, width) // 2) >= SMALLEST_MAP else 1


def plan_layers(channels: int, layers: Sequence[tuple[bool, int]], task: Task) -> list[LayerPlan]:
    """The layers after a stem of `channels`, each given as (is it a reduction, its channels)."""
    _, height, width = shrink(task)
    plans = []
    for reduces, wanted in layers:
        stride = reduction_stride(height, width) if reduces else 0
        if stride == 2:
            height, width = -(-height // 2), -(-width // 2)
        plans.append(LayerPlan(channels, wanted, stride, height, width))
        channels = wanted
    return plans


class ResidualReduction(nn.Module):
    """Two ReLU-convolution-norm 3x3 beside average pool and 1x1 convolution; the published basic block of stride 2."""

    def __init__(self, plan: LayerPlan) -> None:
        super().__init__()
        self.first = ReLUConvBN(plan.channels_in, plan.channels_out, 3, plan.stride)
        self.second = ReLUConvBN(plan.channels_out, plan.channels_out, 3)
        pool = nn.AvgPool2d(2, 2, ceil_mode=True) if plan.stride == 2 else nn.Identity()
        self.shortcut = nn.Sequential(pool, nn.Conv2d(plan.channels_in, plan.channels_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.second(self.first(x))
        return out

    @staticmethod
    def cost(plan: LayerPlan) -> Cost:
        pixels = plan.height * plan.width
        shortcut = plan.channels_in * plan.channels_out
        return (
            conv_cost(plan.channels_in, plan.channels_out, 3, pixels)
            + conv_cost(plan.channels_out, plan.channels_out, 3, pixels)
            + Cost(shortcut, shortcut * pixels)
        )


class SkeletonNetwork(nn.Module):
    """Images (b, c, h, w) to logits (b, classes).

    What cannot reach the output is held, because the published counts of parameters and multiply-adds include it,
    but is not run. `as_published` True runs it all, with `none` as a product with 0, as the released code does: the
    same logits, slower; what led to nothing then has gradients of 0 instead of none.
    """

    def __init__(self, operations: Sequence[str], layers: Sequence[LayerPlan], task: Task) -> None:
        super().__init__()
        self.as_published = False
        self.plans = tuple(layers)
        self.passes = passes(operations)
        self.stem = _stem(task, layers[0].channels_in)
        self.layers = nn.ModuleList(
            EdgeCell(operations, plan.channels_in, plan.channels_out) if plan.is_cell else ResidualReduction(plan)
            for plan in layers
        )
        channels = layers[-1].channels_out
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.head = Head(channels, task.classes)

    def forward(self, x: Tensor) -> Tensor:
        layers: Sequence[nn.Module] = list(self.layers)
        if self.passes or self.as_published:
            x = self.stem(x)
        else:
            plan, layers = self.plans[-1], layers[-1:]
            x = x.new_zeros(x.shape[0], plan.channels_in, plan.height, plan.width)
        for layer in layers:
            x = layer(x, self.as_published) if isinstance(layer, EdgeCell) else layer(x)
        out: Tensor = self.head(self.last(x))
        return out

    def idle_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters without effect: of edges that lead nowhere, or all before the last cell where none passes."""
        for layer in self.layers:
            if isinstance(layer, EdgeCell):
                yield from layer.idle_parameters()
        if not self.passes:
            yield from self.stem.parameters()
            for layer in list(self.layers)[:-1]:
                yield from layer.parameters()


def _stem(task: Task, channels: int) -> nn.Sequential:
    halvings = shrink(task)[0]
    layers: list[nn.Module] = []
    for index in range(max(1, halvings)):
        if index:
            layers.append(nn.ReLU())
        conv = nn.Conv2d(channels if index else task.channels, channels, 3, 2 if halvings else 1, 1, bias=False)
        layers += [conv, nn.BatchNorm2d(channels)]
    return nn.Sequential(*layers)


def skeleton_cost(operations: Sequence[str], layers: Sequence[LayerPlan], task: Task) -> Cost:
    """Parameters and multiply-adds of `SkeletonNetwork`, what leads nowhere included, without building it."""
    channels, height, width, total = layers[0].channels_in, task.height, task.width, Cost()
    halvings = shrink(task)[0]
    for index in range(max(1, halvings)):
        if halvings:
            height, width = -(-height // 2), -(-width // 2)
        total += conv_cost(channels if index else task.channels, channels, 3, height * width)
    for plan in layers:
        if plan.is_cell:
            total += EdgeCell.cost(operations, plan.channels_in, plan.channels_out, plan.height * plan.width)
        else:
            total += ResidualReduction.cost(plan)
    last = layers[-1].channels_out
    return total + Cost(2 * last) + Head.cost(last, task.classes)


def published_flops(counted: Cost, task: Task) -> int:
    """The benchmarks' own count: multiply-adds, and one for each bias of the classifier."""
    return counted.madds + task.classes
