"""The cell of NAS-Bench-201 and its relatives: 4 nodes, an operation on each of the 6 edges; a node sums its edges."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from chronas.errors import ArchitectureError

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) in the order of the published string: target by target. Node 3 is the output."""
PARTS = ((0, 1), (1, 3), (3, 6))
"""Where in `EDGES` those into nodes 1, 2 and 3 begin and end."""

Term = tuple[int, int]
"""(pools, edge): the output of the operation on `edge`, or the input of the cell (-1), pooled so many times."""
Key = tuple[tuple[str, ...], tuple[tuple[Term, ...], ...]]
"""The operations of a network, and the sum that each reads, that at the output last."""


def cell_string(operations: Sequence[str]) -> str:
    """The published string of a cell: `|op~source|...|` for each of the nodes 1, 2, 3, joined by +."""
    words = [f"{op}~{source}" for op, (source, _) in zip(operations, EDGES, strict=True)]
    return "+".join(f"|{'|'.join(words[start:end])}|" for start, end in PARTS)


def parse_cell(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The inverse of `cell_string` for operations out of `known`; raises ArchitectureError."""
    found = re.findall(r"\|(\w+)~\d(?=\|)", text)
    unknown = [op for op in found if op not in known]
    if unknown:
        raise ArchitectureError(f"{unknown[0]!r} in {text!r} is none of the operations {', '.join(known)}.")
    if len(found) != len(EDGES) or cell_string(found) != text.strip():
        raise ArchitectureError(f"A cell looks like |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, but got {text!r}.")
    return tuple(found)


def live_edges(operations: Sequence[str]) -> tuple[bool, ...]:
    """Per edge, whether what it carries can reach the output."""
    reaches = {3}
    live = [False] * len(EDGES)
    for place in reversed(range(len(EDGES))):
        source, target = EDGES[place]
        if operations[place] != "none" and target in reaches:
            live[place] = True
            reaches.add(source)
    return tuple(live)


def passes(operations: Sequence[str]) -> bool:
    """Whether the output depends on the input of the cell at all."""
    reached = {0}
    for op, (source, target) in zip(operations, EDGES, strict=True):
        if op != "none" and source in reached:
            reached.add(target)
    return 3 in reached


def unique_string(operations: Sequence[str]) -> str:
    """The benchmark's isomorphism string: copies resolved, zeros written #, sums sorted. Equal string, one class."""
    nodes = ["0"]
    for start, end in PARTS:
        terms = []
        for op, (source, _) in zip(operations[start:end], EDGES[start:end], strict=True):
            if op == "none" or nodes[source] == "#":
                terms.append("#")
            else:
                terms.append(nodes[source] if op == "skip_connect" else f"({nodes[source]})@{op}")
        nodes.append("+".join(sorted(terms)))
    return nodes[3]


def exact_key(operations: Sequence[str]) -> Key:
    """Equal for two cells that are the same network, trained or not.

    A node's value is a sum of terms: the input or the output of an operation with weights, average-pooled some times.
    Copies and zeros vanish, pools are linear, and operations that cannot reach the output do not appear. What is left
    is the operations with weights, each with the sum it reads, and the sum at the output, with the names of the
    operations made canonical. Several operations of one kind that read the same stay several.
    """
    nodes: list[tuple[Term, ...]] = [((0, -1),)]
    reads: dict[int, tuple[Term, ...]] = {}
    for start, end in PARTS:
        terms: list[Term] = []
        for edge in range(start, end):
            value = nodes[EDGES[edge][0]]
            if operations[edge] == "skip_connect":
                terms += value
            elif operations[edge] == "avg_pool_3x3":
                terms += [(pools + 1, base) for pools, base in value]
            elif operations[edge] != "none":
                reads[edge] = value
                terms.append((0, edge))
        nodes.append(tuple(terms))
    return min(_renamed(operations, reads, nodes[3], order) for order in _orders(operations, reads, nodes[3]))


def _orders(
    operations: Sequence[str], reads: dict[int, tuple[Term, ...]], output: tuple[Term, ...]
) -> Iterator[tuple[int, ...]]:
    """All orders of the operations that reach the output in which nothing but look-alikes changes places."""
    words: dict[int, str] = {-1: "0"}
    for edge, value in reads.items():
        words[edge] = f"{operations[edge]}({'+'.join(sorted(f'{pools}.{words[base]}' for pools, base in value))})"
    used, waiting = set(), [base for _, base in output]
    while waiting:
        edge = waiting.pop()
        if edge >= 0 and edge not in used:
            used.add(edge)
            waiting += [base for _, base in reads[edge]]
    groups = [list(g) for _, g in itertools.groupby(sorted(used, key=words.__getitem__), key=words.__getitem__)]
    for parts in itertools.product(*map(itertools.permutations, groups)):
        yield tuple(itertools.chain.from_iterable(parts))


def _renamed(
    operations: Sequence[str], reads: dict[int, tuple[Term, ...]], output: tuple[Term, ...], order: tuple[int, ...]
) -> Key:
    name = {-1: -1, **{edge: index for index, edge in enumerate(order)}}
    sums = [sorted((pools, name[base]) for pools, base in value) for value in (*(reads[e] for e in order), output)]
    return (tuple(operations[edge] for edge in order), tuple(map(tuple, sums)))
