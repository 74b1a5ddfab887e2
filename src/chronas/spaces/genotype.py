"""Cells of the DARTS family as plain data: what the nodes read, by which operation, what the cell gives out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chronas.errors import ArchitectureError
from chronas.spaces.cell_ops import CellOp, parse_cell_op, separable


@dataclass(frozen=True)
class Edge:
    """`op` applied to state `input`: 0 and 1 are the outputs of the last cell but one and the last, 2.. the nodes."""

    op: CellOp
    input: int


@dataclass(frozen=True)
class CellGenotype:
    """Two edges per node, which are added; the cell concatenates the states in `concat`."""

    edges: tuple[Edge, ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.edges or len(self.edges) % 2:
            raise ArchitectureError(f"A cell has two edges for each node, but got {len(self.edges)} edges.")
        for place, edge in enumerate(self.edges):
            last = place // 2 + 1
            if not 0 <= edge.input <= last:
                raise ArchitectureError(f"Node {last + 1} can read states 0 to {last}, but got {edge.input}.")
        if not self.concat or len(set(self.concat)) != len(self.concat):
            raise ArchitectureError(f"A cell gives out one or more different nodes, but got {self.concat}.")
        if not set(self.concat) <= set(range(2, self.nodes + 2)):
            raise ArchitectureError(f"The nodes of this cell are 2 to {self.nodes + 1}, but got {self.concat}.")

    @property
    def nodes(self) -> int:
        return len(self.edges) // 2

    def node_edges(self, state: int) -> tuple[Edge, Edge]:
        """The two edges of the node with number `state` (2, 3, ...)."""
        first, second = self.edges[2 * state - 4 : 2 * state - 2]
        return first, second

    def live(self) -> frozenset[int]:
        """The states that the output of the cell depends on."""
        found = set(self.concat)
        for state in range(self.nodes + 1, 1, -1):
            if state in found:
                found |= {edge.input for edge in self.node_edges(state) if edge.op.kind != "none"}
        return frozenset(found)


@dataclass(frozen=True)
class Genotype:
    """A normal and a reduction cell."""

    normal: CellGenotype
    reduce: CellGenotype

    def to_json(self) -> dict[str, Any]:
        """The customary form: lists of [operation, input] beside lists of the nodes to concatenate."""
        data: dict[str, Any] = {}
        for name, cell in (("normal", self.normal), ("reduce", self.reduce)):
            data[name] = [[edge.op.name, edge.input] for edge in cell.edges]
            data[f"{name}_concat"] = list(cell.concat)
        return data


def loose_ends(edges: Sequence[Edge]) -> tuple[int, ...]:
    """The nodes that no other node reads."""
    used = {edge.input for edge in edges}
    return tuple(state for state in range(2, len(edges) // 2 + 2) if state not in used)


def read_genotype(data: Mapping[str, Any]) -> Genotype:
    """A DARTS-style genotype from plain data; raises ArchitectureError.

    `data` has `normal`, `normal_concat`, `reduce`, `reduce_concat`; other keys are left alone. An entry of a cell
    is a pair (operation name, input), or an object {"op", "input"} with "kernel", "dilation" and "inner_widths"
    where the operation has them.
    """
    cells = []
    for name in ("normal", "reduce"):
        for key in (name, f"{name}_concat"):
            if not isinstance(data, Mapping) or not _is_list(data.get(key)):
                raise ArchitectureError(f"A genotype needs the list {key!r}.")
        edges = tuple(_edge(entry) for entry in data[name])
        cells.append(CellGenotype(edges, tuple(_integer(state) for state in data[f"{name}_concat"])))
    return Genotype(*cells)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ArchitectureError(f"A state or a size of a genotype is a whole number, but got {value!r}.")
    return value


def _edge(entry: Any) -> Edge:
    if isinstance(entry, Mapping):
        return Edge(_described_op(entry), _integer(entry.get("input")))
    if not _is_list(entry) or len(entry) != 2:
        raise ArchitectureError(f"An edge of a genotype is a pair (operation, input), but got {entry!r}.")
    return Edge(parse_cell_op(str(entry[0])), _integer(entry[1]))


def _described_op(entry: Mapping[str, Any]) -> CellOp:
    name = str(entry.get("op"))
    if name == "skip":
        return CellOp("skip")
    if "kernel" not in entry:
        return parse_cell_op(name)
    kernel = _integer(entry["kernel"])
    if name != "sep_conv":
        return parse_cell_op(f"{name}_{kernel}x{kernel}")
    inner = entry.get("inner_widths", [1])
    if not _is_list(inner):
        raise ArchitectureError(f"inner_widths must be a list, but got {inner!r}.")
    return separable(kernel, _integer(entry.get("dilation", 1)), [_integer(width) for width in inner])
