"""Graphs of labelled nodes from an input to an output: pruning, channels, isomorphism (NAS-Bench-101 section 2.2)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from chronas.errors import ArchitectureError

Edge = tuple[int, int]


@dataclass(frozen=True)
class CellGraph:
    """Node 0 is the input, the last one the output; edges lead from lower to higher nodes.

    operations  those of the inner nodes 1, 2, ...
    """

    operations: tuple[str, ...]
    edges: frozenset[Edge]

    @property
    def nodes(self) -> int:
        """How many nodes there are, input and output included."""
        return len(self.operations) + 2

    def sources(self, target: int) -> list[int]:
        """The nodes that feed `target`, in order."""
        return sorted(s for s, t in self.edges if t == target)

    def without_loose_nodes(self) -> CellGraph:
        """The same cell without inner nodes that have no edge at all."""
        joined = {node for edge in self.edges for node in edge}
        return self.keep([node for node in range(1, self.nodes - 1) if node in joined])

    def keep(self, inner: Sequence[int]) -> CellGraph:
        """The cell on input, these inner nodes in this order, and output; edges of other nodes go."""
        place = {old: new for new, old in enumerate((0, *inner, self.nodes - 1))}
        edges = {(place[s], place[t]) for s, t in self.edges if s in place and t in place}
        return CellGraph(tuple(self.operations[node - 1] for node in inner), frozenset(edges))

    def text(self) -> str:
        """Adjacency matrix row by row, a colon, all operations with commas."""
        bits = "".join("01"[(s, t) in self.edges] for s in range(self.nodes) for t in range(self.nodes))
        return f"{bits}:{','.join(('input', *self.operations, 'output'))}"

    @classmethod
    def parse(cls, text: str, known: Sequence[str]) -> CellGraph:
        """The inverse of `text` for operations out of `known`; raises ArchitectureError."""
        bits, colon, words = text.strip().partition(":")
        operations = words.split(",")
        count = len(operations)
        if not colon or count < 2 or operations[0] != "input" or operations[-1] != "output":
            raise ArchitectureError(f"A cell looks like 010001000:input,OPERATION,output, but got {text!r}.")
        if len(bits) != count * count or set(bits) - set("01"):
            raise ArchitectureError(f"{count} nodes need {count * count} digits 0 or 1 in front, but got {bits!r}.")
        unknown = [op for op in operations[1:-1] if op not in known]
        if unknown:
            raise ArchitectureError(f"{unknown[0]!r} is none of the operations {', '.join(known)}.")
        edges = frozenset(divmod(place, count) for place, bit in enumerate(bits) if bit == "1")
        if any(s >= t for s, t in edges):
            raise ArchitectureError(f"Edges must lead from lower to higher nodes, but {bits!r} has others.")
        return cls(tuple(operations[1:-1]), edges)


def prune(graph: CellGraph) -> CellGraph:
    """The cell without the nodes that lie on no way from input to output."""
    ahead, behind = {0}, {graph.nodes - 1}
    for source, target in sorted(graph.edges):
        if source in ahead:
            ahead.add(target)
    for source, target in sorted(graph.edges, key=lambda edge: edge[1], reverse=True):
        if target in behind:
            behind.add(source)
    return graph.keep([node for node in range(1, graph.nodes - 1) if node in ahead and node in behind])


def canonical(graph: CellGraph, known: Sequence[str]) -> CellGraph:
    """The least of all orders of the inner nodes that keep edges leading upwards: equal for isomorphic cells."""
    inner = range(1, graph.nodes - 1)
    best: tuple[object, CellGraph] | None = None
    for order in itertools.permutations(inner):
        place = {node: index for index, node in enumerate(order)}
        if any(place[s] > place[t] for s, t in graph.edges if s in place and t in place):
            continue
        candidate = graph.keep(order)
        key = (tuple(map(known.index, candidate.operations)), sorted(candidate.edges))
        if best is None or key < best[0]:  # type: ignore[operator]
            best = (key, candidate)
    assert best is not None, "the given order always qualifies"
    return best[1]


def isomorphism_hash(graph: CellGraph, known: Sequence[str]) -> str:
    """The benchmark's key of a pruned cell: an MD5 that is equal for isomorphic cells (hex digits).

    Each node's hash is renewed as often as there are nodes from its own and those of its neighbours both ways.
    """
    count = graph.nodes
    labels = [-1, *map(known.index, graph.operations), -2]
    into = [[s for s, t in graph.edges if t == node] for node in range(count)]
    out = [[t for s, t in graph.edges if s == node] for node in range(count)]
    hashes = [_md5(str((len(out[node]), len(into[node]), labels[node]))) for node in range(count)]
    for _ in range(count):
        joined = [["".join(sorted(hashes[w] for w in side[node])) for side in (into, out)] for node in range(count)]
        hashes = [_md5(f"{before}|{after}|{own}") for (before, after), own in zip(joined, hashes, strict=True)]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def node_channels(graph: CellGraph, channels_in: int, channels_out: int) -> tuple[int, ...]:
    """Output channels of each node of a pruned cell (section 2.2 and the released `compute_vertex_channels`).

    The inner nodes that feed the output share its channels evenly, the first ones take the rest; every other inner
    node has the most that any of its successors has.
    """
    last = graph.nodes - 1
    channels = [0] * graph.nodes
    channels[0], channels[last] = channels_in, channels_out
    feeding = [node for node in graph.sources(last) if node > 0]
    for place, node in enumerate(feeding):
        channels[node] = channels_out // len(feeding) + (place < channels_out % len(feeding))
    for node in reversed(range(1, last)):
        if node not in feeding:
            channels[node] = max(channels[t] for s, t in graph.edges if s == node)
    return tuple(channels)
