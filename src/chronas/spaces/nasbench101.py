"""NAS-Bench-101: a cell is a graph of at most 7 nodes and 9 edges whose inner nodes have one of 3 operations.

Ying et al., "NAS-Bench-101: Towards reproducible neural architecture search", 2019. Decisions are the possible edges
and the operations of the inner nodes; drawing them independently until the graph is legal is the paper's own sampler.
"""

from __future__ import annotations

from dataclasses import dataclass

from chronas.errors import ArchitectureError, UsageError
from chronas.spaces.base import Decision, Space
from chronas.spaces.cellgraph import CellGraph, canonical, prune
from chronas.work import Choices

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
EDGE = ("no", "yes")


@dataclass(frozen=True)
class NasBench101Settings:
    """channels: width of stem and first stack (the benchmark: 128; NASWOT scores with 16); it doubles per stack.

    stacks, modules: stacks, and cells in each (3, 3). vertices, edges: most nodes and edges of a cell (7, 9).
    """

    channels: int = 128
    stacks: int = 3
    modules: int = 3
    vertices: int = 7
    edges: int = 9

    def __post_init__(self) -> None:
        bounds = (("stacks", 1, 8), ("modules", 1, 100), ("vertices", 3, 7), ("edges", 1, 21), ("channels", 1, 4096))
        for name, low, high in bounds:
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"space.{name} must lie between {low} and {high}, but got {getattr(self, name)}.")
        if self.channels < self.vertices - 2:
            raise UsageError(
                f"space.channels must be at least {self.vertices - 2}, one for each inner node that may feed the "
                f"output, but got {self.channels}."
            )


class NasBench101Space(Space):
    """Decisions "source>target" (no, yes), target by target, then "node i" (an operation).

    Cells of fewer nodes are those whose surplus nodes lie on no way from input to output.
    """

    name = "nasbench101"
    plain_title = "two 3x3 convolutions and a shortcut"
    Settings = NasBench101Settings
    rules = "A cell needs a way from input to output and no more edges than its settings allow."

    def __init__(self, settings: NasBench101Settings | None = None) -> None:
        settings = settings or NasBench101Settings()
        last = settings.vertices - 1
        self.pairs = tuple((source, target) for target in range(1, last + 1) for source in range(target))
        super().__init__(
            settings,
            (
                *(Decision(f"{source}>{target}", EDGE) for source, target in self.pairs),
                *(Decision(f"node {node}", OPERATIONS) for node in range(1, last)),
            ),
        )

    def graph(self, choices: Choices) -> CellGraph:
        """The cell as it was chosen, with nodes that may lead nowhere."""
        edges = frozenset(pair for pair, choice in zip(self.pairs, choices, strict=False) if choice)
        operations = tuple(OPERATIONS[choice] for choice in choices[len(self.pairs) :])
        return CellGraph(operations, edges)

    def cell(self, choices: Choices) -> CellGraph:
        """The cell that is built: nodes on no way from input to output are gone (section 2.2)."""
        return prune(self.graph(choices))

    def choices(self, graph: CellGraph) -> Choices:
        """The choices of a cell with at most as many nodes; surplus nodes stand before the output, without edges."""
        if graph.nodes > self.settings.vertices:
            raise ArchitectureError(
                f"A cell may have {self.settings.vertices} nodes at most, but this one has {graph.nodes}."
            )
        last = self.settings.vertices - 1
        moved = {(s, last if t == graph.nodes - 1 else t) for s, t in graph.edges}
        inner = [OPERATIONS.index(op) for op in graph.operations]
        return (*(int(pair in moved) for pair in self.pairs), *inner, *[0] * (last - 1 - len(inner)))

    def legal(self, choices: Choices) -> bool:
        """At most `edges` edges, and a way from input to output."""
        links = choices[: len(self.pairs)]
        if sum(links) > self.settings.edges:
            return False
        reached = {0}
        for (source, target), there in zip(self.pairs, links, strict=True):
            if there and source in reached:
                reached.add(target)
        return self.settings.vertices - 1 in reached

    def canonical(self, choices: Choices) -> Choices:
        """One form for all isomorphic cells: pruned, then the least of all orders of the inner nodes.

        423,624 cells for 7 nodes and 9 edges. Isomorphic cells compute the same function class; where the output's
        channels do not divide evenly, which node gets the odd channel depends on the order, and so do parameters.
        """
        return self.choices(canonical(self.cell(choices), OPERATIONS))

    def notation(self, choices: Choices) -> str:
        """Adjacency matrix row by row, then all operations: "010001000:input,conv3x3-bn-relu,output".

        Nodes without edges are left out where `parse` puts them back.
        """
        graph = self.graph(choices)
        small = graph.without_loose_nodes()
        return (small if self.choices(small) == choices else graph).text()

    def parse(self, text: str) -> Choices:
        """Reads `notation` of a cell with at most as many nodes; raises ArchitectureError."""
        found = self.choices(CellGraph.parse(text, OPERATIONS))
        self.check(found)
        return found

    def plain(self) -> Choices | None:
        """Two 3x3 convolutions with a projected shortcut, where the settings leave room for it."""
        if self.settings.vertices < 4 or self.settings.edges < 4:
            return None
        ops = (OPERATIONS[0], OPERATIONS[0])
        return self.choices(CellGraph(ops, frozenset({(0, 1), (1, 2), (2, 3), (0, 3)})))
