"""The layout of a network of cells: channels, resolutions, and which parts can reach the output.

The skeleton of NASNet, DARTS and NDS: a stem, `depth` cells, the ones at 1/3 and 2/3 of the depth halving the map
and doubling the channels; each cell reads the two before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chronas.spaces.cell_ops import CellOp
from chronas.spaces.genotype import CellGenotype, Genotype
from chronas.task import Task

LARGE_IMAGE = 96
"""Images with a side of at least this many pixels get the ImageNet stem, which halves them three times."""
STEM_MULTIPLIER = 3


@dataclass(frozen=True)
class EdgePlan:
    """`op` from state `input` (on a map of height x width) to node `node`."""

    op: CellOp
    input: int
    node: int
    stride: int
    height: int
    width: int


@dataclass(frozen=True)
class CellPlan:
    """One cell. height, width: its maps before a reduction.

    channels  of each node
    inputs    channels that the two previous cells give out
    shrink    the older input has a map twice as large
    live      the states that are computed; empty where the whole cell cannot reach the output
    """

    cell: CellGenotype
    channels: int
    inputs: tuple[int, int]
    reduce: bool
    shrink: bool
    height: int
    width: int
    live: frozenset[int]

    @property
    def outputs(self) -> int:
        """Channels of the concatenated nodes."""
        return len(self.cell.concat) * self.channels

    @property
    def out_size(self) -> tuple[int, int]:
        """Height and width of the nodes."""
        return (-(-self.height // 2), -(-self.width // 2)) if self.reduce else (self.height, self.width)

    def edges(self) -> Iterator[EdgePlan]:
        """The edges that are computed, in order."""
        for node in range(2, self.cell.nodes + 2):
            for edge in self.cell.node_edges(node):
                if node in self.live and edge.op.kind != "none":
                    first = edge.input < 2
                    size = (self.height, self.width) if first else self.out_size
                    yield EdgePlan(edge.op, edge.input, node, 2 if self.reduce and first else 1, *size)


@dataclass(frozen=True)
class CellsPlan:
    """A whole network.

    large      the ImageNet stem
    stem       channels of the stem
    stem_live  whether the older and the newer output of the stem are computed
    auxiliary  the cell that an auxiliary classifier reads, if there is one
    """

    large: bool
    stem: int
    stem_live: tuple[bool, bool]
    cells: tuple[CellPlan, ...]
    auxiliary: int | None


def plan_cells(
    genotype: Genotype, width: int, depth: int, task: Task, *, dead_parts: bool = False, auxiliary: bool = False
) -> CellsPlan:
    """The layout of `depth` cells, the first with `width` channels a node.

    dead_parts: keep what cannot reach the output (an input that no node reads, a cell that nobody reads), as the
    published networks do. auxiliary: a second classifier at 2/3 of the depth, for training.
    """
    large = max(task.height, task.width) >= LARGE_IMAGE
    cells = list(_cells(genotype, width, depth, task, large))
    second = 2 * depth // 3 if auxiliary else None
    reached = [True] * (depth + 2) if dead_parts else _reached(cells, {depth - 1, second})
    for place, plan in enumerate(cells):
        states = frozenset(range(plan.cell.nodes + 2)) if dead_parts else plan.cell.live()
        live = states if reached[place + 2] else frozenset()
        cells[place] = replace(plan, live=live)
    return CellsPlan(large, width if large else STEM_MULTIPLIER * width, (reached[0], reached[1]), tuple(cells), second)


def _cells(genotype: Genotype, width: int, depth: int, task: Task, large: bool) -> Iterator[CellPlan]:
    height, side = task.height, task.width
    for _ in range(3 if large else 0):
        height, side = -(-height // 2), -(-side // 2)
    older = newer = width if large else STEM_MULTIPLIER * width
    shrink = large
    for place in range(depth):
        reduce = place in (depth // 3, 2 * depth // 3)
        cell = genotype.reduce if reduce else genotype.normal
        width *= 2 if reduce else 1
        plan = CellPlan(cell, width, (older, newer), reduce, shrink, height, side, frozenset())
        yield plan
        (height, side), shrink = plan.out_size, reduce
        older, newer = newer, plan.outputs


def _reached(cells: list[CellPlan], outputs: set[int | None]) -> list[bool]:
    """Which tensors the cells `outputs` depend on: the two of the stem, then one per cell."""
    reached = [False, False, *(place in outputs for place in range(len(cells)))]
    for place in range(len(cells) - 1, -1, -1):
        if reached[place + 2]:
            for state in cells[place].cell.live() & {0, 1}:
                reached[place + state] = True
    return reached
