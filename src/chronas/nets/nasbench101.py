"""Networks of NAS-Bench-101: stem, stacks of equal cells, 2x2 max pools between stacks that double the width.

In a cell the input is projected by a 1x1 convolution to every node that it feeds, an inner node sums what it reads,
and the output concatenates the inner nodes that feed it (and adds the projected input). A source with one channel too
many is cut. Initial weights are those of NASWOT's released code: normal with variance 2 / (k*k*channels_out), the
classifier's with 0.01. Beside the published network: images above 64 pixels a side are halved in the stem, odd maps
are pooled with a smaller last window, and no pool goes below 4 pixels a side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from chronas.nets.edgecell import conv_cost
from chronas.nets.ops import Cost, Head, Stem
from chronas.nets.skeleton import reduction_stride, shrink
from chronas.spaces.cellgraph import CellGraph, node_channels
from chronas.spaces.nasbench101 import NasBench101Settings, NasBench101Space
from chronas.task import Task
from chronas.work import Choices

KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}


def _conv_bn_relu(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU())


class GraphCell(nn.Module):
    """A pruned cell from `channels_in` to `channels_out`."""

    def __init__(self, graph: CellGraph, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.channels = node_channels(graph, channels_in, channels_out)
        self.output = graph.nodes - 1
        self.sources = [graph.sources(node) for node in range(graph.nodes)]
        self.projections = nn.ModuleDict(
            {
                str(node): _conv_bn_relu(channels_in, self.channels[node], 1)
                for node in range(1, graph.nodes)
                if 0 in self.sources[node]
            }
        )
        self.nodes = nn.ModuleList(
            _conv_bn_relu(width, width, KERNELS[op]) if op in KERNELS else nn.MaxPool2d(3, 1, 1)
            for op, width in zip(graph.operations, self.channels[1:-1], strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for node, operation in enumerate(self.nodes, start=1):
            width = self.channels[node]
            reads = [values[s][:, :width] if s else self.projections[str(node)](x) for s in self.sources[node]]
            values.append(operation(sum(reads[1:], start=reads[0])))
        feeding = [values[s] for s in self.sources[self.output] if s]
        projected = [self.projections[str(self.output)](x)] if 0 in self.sources[self.output] else []
        joined = [torch.cat(feeding, dim=1) if len(feeding) > 1 else feeding[0]] if feeding else []
        parts = joined + projected
        out: Tensor = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return out

    @staticmethod
    def cost(graph: CellGraph, channels_in: int, channels_out: int, pixels: int) -> Cost:
        """Cost on a map of `pixels`."""
        channels = node_channels(graph, channels_in, channels_out)
        total = Cost()
        for source, target in graph.edges:
            if source == 0:
                total += conv_cost(channels_in, channels[target], 1, pixels)
        for op, width in zip(graph.operations, channels[1:-1], strict=True):
            if op in KERNELS:
                total += conv_cost(width, width, KERNELS[op], pixels)
        return total


def _cells(settings: NasBench101Settings, task: Task) -> Iterator[tuple[int, int, int, int]]:
    """(channels in, channels out, pixels, stride of the pool in front) of each cell."""
    _, height, width = shrink(task)
    channels = settings.channels
    for stack in range(settings.stacks):
        wanted, stride = settings.channels * 2**stack, reduction_stride(height, width) if stack else 1
        if stride == 2:
            height, width = -(-height // 2), -(-width // 2)
        for module in range(settings.modules):
            yield channels, wanted, height * width, 1 if module else stride
            channels = wanted


class NasBench101Network(nn.Module):
    """Images (b, c, h, w) to logits (b, classes). With 128 channels and CIFAR-10 it has the published parameters."""

    def __init__(self, space: NasBench101Space, choices: Choices, task: Task) -> None:
        super().__init__()
        graph = space.cell(choices)
        layers: list[nn.Module] = []
        channels = space.settings.channels
        self.stem = Stem(task.channels, channels, shrink(task)[0])
        for channels_in, channels_out, _, stride in _cells(space.settings, task):
            if stride == 2:
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            layers.append(GraphCell(graph, channels_in, channels_out))
            channels = channels_out
        self.layers = nn.Sequential(*layers)
        self.head = Head(channels, task.classes)
        self._start()

    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
        nn.init.normal_(self.head.linear.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.layers(self.stem(x)))
        return out


def cost(space: NasBench101Space, choices: Choices, task: Task) -> Cost:
    """Parameters and multiply-adds of `NasBench101Network`, counted without building it."""
    graph = space.cell(choices)
    halvings = shrink(task)[0]
    total = Stem.cost(task.channels, space.settings.channels, halvings, task.height, task.width)
    channels = space.settings.channels
    for channels_in, channels_out, pixels, _ in _cells(space.settings, task):
        total += GraphCell.cost(graph, channels_in, channels_out, pixels)
        channels = channels_out
    return total + Head.cost(channels, task.classes)
