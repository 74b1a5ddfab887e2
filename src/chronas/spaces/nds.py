"""The five cell spaces of NDS (Radosavovic et al. 2019): NASNet, AmoebaNet, PNAS, ENAS, DARTS.

Two cells, width and depth are decided. Each node of a cell reads two states by one operation each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from chronas.errors import ArchitectureError, UsageError
from chronas.spaces.base import Decision, Space
from chronas.spaces.cell_ops import parse_cell_op
from chronas.spaces.cells import CellsPlan, plan_cells
from chronas.spaces.genotype import CellGenotype, Edge, Genotype, loose_ends
from chronas.task import Task
from chronas.work import Choices

_TEXT = re.compile(r"width=(\d{1,5})/depth=(\d{1,5})/normal=([^/]*)/reduce=([^/]*)")
_EDGE = re.compile(r"(\w+)~(\d{1,3})")


@dataclass(frozen=True)
class NdsSettings:
    """Settings of the five spaces.

    widths      channels of a node of the first cell to choose from
    depths      numbers of cells to choose from
    dead_parts  keep what cannot reach the output (an input that no node reads), as the published networks do;
                parameter counts of NDS include it
    """

    widths: tuple[int, ...] = (16, 24, 32)
    depths: tuple[int, ...] = (4, 8, 12, 16, 20)
    dead_parts: bool = False

    def __post_init__(self) -> None:
        for name, least, most in (("widths", 2, 2048), ("depths", 1, 200)):
            numbers = getattr(self, name)
            if not numbers or min(numbers) < least or max(numbers) > most or len(set(numbers)) != len(numbers):
                raise UsageError(f"space.{name} must be different numbers from {least} to {most}, but got {numbers}.")


class NdsSpace(Space):
    """Normal and reduction cell, width, depth; `ops`, `nodes` and `all_nodes` make the five spaces.

    Decisions per node and edge: the state it reads and the operation. A cell gives out the concatenation of all
    nodes, or of those that no other node reads.
    """

    Settings = NdsSettings
    ops: ClassVar[tuple[str, ...]]
    nodes: ClassVar[int] = 5
    all_nodes: ClassVar[bool] = False

    def __init__(self, settings: NdsSettings | None = None) -> None:
        settings = settings or NdsSettings()
        decisions = []
        for cell in ("normal", "reduce"):
            for node in range(2, self.nodes + 2):
                inputs = tuple(str(state) for state in range(node))
                for edge in ("a", "b"):
                    where = f"{cell} {node}{edge}"
                    decisions += [Decision(f"{where} input", inputs), Decision(f"{where} op", self.ops)]
        decisions.append(Decision("width", tuple(str(width) for width in settings.widths)))
        decisions.append(Decision("depth", tuple(str(depth) for depth in settings.depths)))
        super().__init__(settings, tuple(decisions))

    def canonical(self, choices: Choices) -> Choices:
        """The two edges of a node in order of input, then operation; `none` reads state 0."""
        pairs = self._pairs(choices)
        if "none" in self.ops:
            none = self.ops.index("none")
            pairs = [(0, op) if op == none else (state, op) for state, op in pairs]
        ordered = [pair for at in range(0, len(pairs), 2) for pair in sorted(pairs[at : at + 2])]
        return (*(number for pair in ordered for number in pair), *choices[-2:])

    def notation(self, choices: Choices) -> str:
        """For example "width=16/depth=8/normal=sep_conv_3x3~0+skip_connect~1|.../reduce=...", nodes between bars."""
        width, depth = self.size(choices)
        words = [f"{self.ops[op]}~{state}" for state, op in self._pairs(choices)]
        nodes = ["+".join(words[at : at + 2]) for at in range(0, len(words), 2)]
        normal, reduce = "|".join(nodes[: self.nodes]), "|".join(nodes[self.nodes :])
        return f"width={width}/depth={depth}/normal={normal}/reduce={reduce}"

    def parse(self, text: str) -> Choices:
        match = _TEXT.fullmatch(text.strip())
        if not match:
            raise ArchitectureError(f"Write width=W/depth=D/normal=CELL/reduce=CELL, but got {text!r}.")
        cells = []
        for part in match.groups()[2:]:
            words = [edge for node in part.split("|") for edge in node.split("+")]
            found = [_EDGE.fullmatch(word) for word in words]
            if any(node.count("+") != 1 for node in part.split("|")) or not all(found):
                raise ArchitectureError(f"Write a node as OP~INPUT+OP~INPUT and | between nodes, but got {part!r}.")
            edges = tuple(Edge(parse_cell_op(edge[1]), int(edge[2])) for edge in found if edge)
            cells.append(self._cell(edges))
        return self.from_genotype(Genotype(*cells), int(match[1]), int(match[2]))

    @classmethod
    def told(cls, text: str) -> dict[str, Any]:
        """Width and depth beside the usual ones."""
        match, usual = _TEXT.fullmatch(text.strip()), NdsSettings()
        if not match:
            return {}
        kept = {"widths": (usual.widths, int(match[1])), "depths": (usual.depths, int(match[2]))}
        return {name: (*known, one) if one not in known else known for name, (known, one) in kept.items()}

    def genotype(self, choices: Choices) -> Genotype:
        """The two cells of an architecture."""
        edges = [Edge(parse_cell_op(self.ops[op]), state) for state, op in self._pairs(choices)]
        half = 2 * self.nodes
        return Genotype(self._cell(tuple(edges[:half])), self._cell(tuple(edges[half:])))

    def from_genotype(self, genotype: Genotype, width: int, depth: int) -> Choices:
        """The choices of two published cells; raises ArchitectureError where this space does not hold them."""
        names = {"width": str(width), "depth": str(depth)}
        for name, cell in (("normal", genotype.normal), ("reduce", genotype.reduce)):
            if cell.nodes != self.nodes:
                raise ArchitectureError(f"A cell of {self.name!r} has {self.nodes} nodes, but got {cell.nodes}.")
            right = self._cell(cell.edges).concat
            if set(cell.concat) != set(right):
                raise ArchitectureError(f"The {name} cell must give out nodes {right}, but gives {cell.concat}.")
            for place, edge in enumerate(cell.edges):
                where = f"{name} {place // 2 + 2}{'ab'[place % 2]}"
                names |= {f"{where} input": str(edge.input), f"{where} op": edge.op.name}
        return self.from_names(names)

    def size(self, choices: Choices) -> tuple[int, int]:
        """Width and depth of an architecture."""
        return self.settings.widths[choices[-2]], self.settings.depths[choices[-1]]

    def layout(self, choices: Choices, task: Task) -> CellsPlan:
        """Channels and resolutions of an architecture."""
        width, depth = self.size(choices)
        return plan_cells(self.genotype(choices), width, depth, task, dead_parts=self.settings.dead_parts)

    def _pairs(self, choices: Choices) -> list[tuple[int, int]]:
        """(input, operation) of all edges, those of the normal cell first."""
        return [(choices[at], choices[at + 1]) for at in range(0, len(choices) - 2, 2)]

    def _cell(self, edges: tuple[Edge, ...]) -> CellGenotype:
        everything = tuple(range(2, len(edges) // 2 + 2))
        return CellGenotype(edges, everything if self.all_nodes else loose_ends(edges))


class NasNetSpace(NdsSpace):
    """Zoph et al. 2018: 13 operations."""

    name = "nds_nasnet"
    ops = ("skip_connect", "conv_3x1_1x3", "conv_7x1_1x7", "dil_conv_3x3", "avg_pool_3x3", "max_pool_3x3",
           "max_pool_5x5", "max_pool_7x7", "conv_1x1", "conv_3x3", "sep_conv_3x3", "sep_conv_5x5",
           "sep_conv_7x7")  # fmt: skip


class AmoebaNetSpace(NdsSpace):
    """Real et al. 2019: 8 operations."""

    name = "nds_amoebanet"
    ops = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "avg_pool_3x3", "max_pool_3x3",
           "dil_sep_conv_3x3", "conv_7x1_1x7")  # fmt: skip


class PnasSpace(NdsSpace):
    """Liu et al. 2018: 8 operations, all nodes concatenated."""

    name = "nds_pnas"
    ops = ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "conv_7x1_1x7", "skip_connect", "avg_pool_3x3",
           "max_pool_3x3", "dil_conv_3x3")  # fmt: skip
    all_nodes = True


class EnasSpace(NdsSpace):
    """Pham et al. 2018: 5 operations."""

    name = "nds_enas"
    ops = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")


class DartsSpace(NdsSpace):
    """Liu et al. 2019: 8 operations, one of them none; 4 nodes, all concatenated."""

    name = "nds_darts"
    ops = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5",
           "dil_conv_3x3", "dil_conv_5x5")  # fmt: skip
    nodes = 4
    all_nodes = True
