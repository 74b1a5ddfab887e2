"""The cell of NAS-Bench-201 as a module: an operation on each of 6 edges, nodes that sum, node 3 as output.

Convolutions are ReLU-convolution-norm. Edges from the input may change the number of channels (NATS-Bench size).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from chronas.nets.ops import Cost
from chronas.nets.pool import AveragePool
from chronas.spaces.edgecell import EDGES, PARTS, live_edges

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, batch norm. The ReLU is a module of its own, called once per pass."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
        super().__init__(nn.ReLU(), conv, nn.BatchNorm2d(channels_out))


class Zero(nn.Module):
    """x * 0, with as many channels as wanted: the released form of `none`, which keeps the graph behind it."""

    def __init__(self, channels_out: int) -> None:
        super().__init__()
        self.channels_out = channels_out

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == self.channels_out:
            return x * 0
        return (x.mean(1, keepdim=True) * 0).expand(-1, self.channels_out, -1, -1)


def build_edge(operation: str, channels_in: int, channels_out: int) -> nn.Module:
    """The module of one edge; a copy or a pool that changes the number of channels has a 1x1 convolution."""
    if operation == "none":
        return Zero(channels_out)
    if operation in KERNELS:
        return ReLUConvBN(channels_in, channels_out, KERNELS[operation])
    same = channels_in == channels_out
    if operation == "skip_connect":
        if same:
            return nn.Identity()
        conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(channels_out))
    pool = AveragePool(3, 1)
    return pool if same else nn.Sequential(ReLUConvBN(channels_in, channels_out, 1), pool)


def edge_cost(operation: str, channels_in: int, channels_out: int, pixels: int) -> Cost:
    """Cost of `build_edge` on a map of `pixels`."""
    if operation in KERNELS:
        return conv_cost(channels_in, channels_out, KERNELS[operation], pixels)
    if operation == "none" or channels_in == channels_out:
        return Cost()
    return conv_cost(channels_in, channels_out, 1, pixels)


def conv_cost(channels_in: int, channels_out: int, kernel: int, pixels: int) -> Cost:
    """Cost of a square convolution without bias and its batch norm, with `pixels` output positions."""
    weights = kernel * kernel * channels_in * channels_out
    return Cost(weights + 2 * channels_out, weights * pixels)


class EdgeCell(nn.Module):
    """Runs the edges that lead to the output; the others are held, and run only where `everything` is asked for."""

    def __init__(self, operations: Sequence[str], channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.channels_out = channels_out
        self.live = live_edges(operations)
        self.edges = nn.ModuleList(
            build_edge(op, channels_out if source else channels_in, channels_out)
            for op, (source, _) in zip(operations, EDGES, strict=True)
        )

    def forward(self, x: Tensor, everything: bool = False) -> Tensor:
        nodes: list[Tensor | None] = [x]
        for start, end in PARTS:
            total = None
            for edge in range(start, end):
                if everything or self.live[edge]:
                    source = nodes[EDGES[edge][0]]
                    out = self.edges[edge](self._zeros(x) if source is None else source)
                    total = out if total is None else total + out
            nodes.append(total)
        return self._zeros(x) if nodes[-1] is None else nodes[-1]

    def _zeros(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.shape[0], self.channels_out, *x.shape[2:])

    def idle_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of edges that lead nowhere."""
        for live, edge in zip(self.live, self.edges, strict=True):
            if not live:
                yield from edge.parameters()

    @staticmethod
    def cost(operations: Sequence[str], channels_in: int, channels_out: int, pixels: int) -> Cost:
        """Cost of all edges, those that lead nowhere included."""
        total = Cost()
        for op, (source, _) in zip(operations, EDGES, strict=True):
            total += edge_cost(op, channels_out if source else channels_in, channels_out, pixels)
        return total
