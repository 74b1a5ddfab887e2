"""NAS-Bench-201, NATS-Bench size and NAS-Bench-101 as plain data: published counts, classes, strings, hashes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from chronas.errors import ArchitectureError, UsageError
from chronas.seeding import stream
from chronas.spaces.cellgraph import CellGraph, isomorphism_hash, node_channels, prune
from chronas.spaces.edgecell import exact_key, live_edges, passes, unique_string
from chronas.spaces.moves import enumerate_all, sample, size
from chronas.spaces.nasbench101 import OPERATIONS, NasBench101Settings, NasBench101Space
from chronas.spaces.nasbench201 import NasBench201Space
from chronas.spaces.natssize import CELL, NatsSizeSettings, NatsSizeSpace

C3, C1, POOL = OPERATIONS


def columns(path: Path, *names: str) -> dict[str, list[Any]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    found: dict[str, list[Any]] = parquet.read_table(path, columns=list(names)).to_pydict()
    return found


# NAS-Bench-201


def test_201_has_the_published_classes(shared_data: Path) -> None:
    table = columns(shared_data / "nasbench201" / "nasbench201.parquet", "arch", "unique")
    space = NasBench201Space()
    cells = [space.parse(arch) for arch in table["arch"]]
    assert len(set(cells)) == size(space) == 15_625
    assert [space.notation(choices) for choices in cells] == table["arch"]
    assert [unique_string(space.operations(choices)) for choices in cells] == table["unique"]
    classes = [space.canonical(choices) for choices in cells]
    assert len(set(classes)) == len(set(zip(classes, table["unique"], strict=True))) == 6_466


def test_201_classes_without_the_table() -> None:
    space = NasBench201Space()
    cells = list(enumerate_all(space))
    assert len({space.canonical(choices) for choices in cells}) == 6_466
    exact = [space.exact(choices) for choices in cells]
    assert len(set(exact)) == 5_653
    assert all(space.exact(choices) == choices for choices in set(exact))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        # what cannot reach the output does not count
        ("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
         "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", True),
        # nodes 1 and 2 may swap
        ("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|skip_connect~1|avg_pool_3x3~2|",
         "|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|none~0|avg_pool_3x3~1|skip_connect~2|", True),
        # the sum of two pools is the pool of the sum
        ("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|none~0|avg_pool_3x3~1|avg_pool_3x3~2|",
         "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|", True),
        # one convolution used twice is not two convolutions
        ("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|",
         "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|", False),
        # a copy used twice is not a copy
        ("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|none~2|",
         "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", False),
        # a convolution of a zero still has a batch norm
        ("|none~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|",
         "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", False),
    ],
)  # fmt: skip
def test_201_exactly_equal_networks(first: str, second: str, same: bool) -> None:
    space = NasBench201Space()
    keys = [exact_key(space.operations(space.parse(text))) for text in (first, second)]
    assert (keys[0] == keys[1]) == same


def test_201_dead_edges() -> None:
    space = NasBench201Space()
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|none~2|"
    operations = space.operations(space.parse(text))
    assert live_edges(operations) == (True, False, False, False, True, False)
    assert passes(operations)
    assert not passes(space.operations(space.parse(text.replace("avg_pool_3x3", "none"))))
    assert sum(not passes(space.operations(choices)) for choices in enumerate_all(space)) == 341


@pytest.mark.parametrize(
    "text",
    [
        "|none~0|+|none~0|none~1|+|none~0|none~1|",
        "|none~0|+|none~0|none~0|+|none~0|none~1|none~2|",
        "|none~1|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|conv~2|",
        "none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2||",
    ],
)
def test_201_strings_refused(text: str) -> None:
    with pytest.raises(ArchitectureError):
        NasBench201Space().parse(text)


# NATS-Bench size


def test_the_size_space() -> None:
    space = NatsSizeSpace()
    assert size(space) == 32_768
    assert space.widths(space.parse("8:8:40:32:64")) == (8, 8, 40, 32, 64)
    assert space.notation((0, 1, 2, 3, 7)) == "8:16:24:32:64"
    assert NasBench201Space().notation(NasBench201Space().parse(CELL)) == CELL
    for wrong in ("8:8:8:8", "8:8:8:8:8:8", "8:8:8:8:9", "8-8-8-8-8", "8:8:8:8:"):
        with pytest.raises(ArchitectureError):
            space.parse(wrong)
    with pytest.raises(UsageError, match="widths"):
        NatsSizeSettings((8, 8))


# NAS-Bench-101


def relabelled(graph: CellGraph) -> list[CellGraph]:
    """Every numbering of the inner nodes in which edges still lead upwards, by brute force."""
    count, found = graph.nodes, []
    for order in itertools.permutations(range(1, count - 1)):
        new = {0: 0, count - 1: count - 1, **{old: place for place, old in enumerate(order, start=1)}}
        edges = frozenset((new[s], new[t]) for s, t in graph.edges)
        if all(s < t for s, t in edges):
            found.append(CellGraph(tuple(graph.operations[old - 1] for old in order), edges))
    return found


@pytest.mark.parametrize(("vertices", "cells"), [(3, 7), (4, 91), (5, 2532)])
def test_101_counts_of_small_cells(vertices: int, cells: int) -> None:
    """All cells with at most 4 nodes are 91 and with at most 5 nodes 2,532 (EC-NAS; Ying et al.)."""
    space = NasBench101Space(NasBench101Settings(vertices=vertices))
    found = {space.canonical(choices) for choices in enumerate_all(space)}
    assert len(found) == cells
    assert len({isomorphism_hash(space.cell(choices), OPERATIONS) for choices in found}) == cells


def test_101_canonical_forms_are_isomorphic_or_different() -> None:
    space = NasBench101Space(NasBench101Settings(vertices=4))
    cells = [space.cell(c) for c in {space.canonical(choices) for choices in enumerate_all(space)}]
    for first, second in itertools.combinations(cells, 2):
        assert second not in relabelled(first)


def test_101_relabelled_cells_have_one_canonical_form() -> None:
    space, seen = NasBench101Space(), 0
    for index in range(120):
        graph = space.cell(sample(space, stream(0, "test", index)))
        others = relabelled(graph)
        seen += len(others) > 1
        assert len({space.canonical(space.choices(other)) for other in others}) == 1
        assert len({isomorphism_hash(other, OPERATIONS) for other in others}) == 1
    assert seen > 10


@pytest.mark.parametrize("name", ["ecnas_4v", "ecnas_5v_4epochs"])
def test_101_published_cells_and_hashes(shared_data: Path, name: str) -> None:
    table = columns(shared_data / "nasbench101" / f"{name}.parquet", "adjacency", "operations", "hash")
    space = NasBench101Space()
    rows = list(zip(table["adjacency"], table["operations"], table["hash"], strict=True))
    for adjacency, operations, key in rows:
        choices = space.parse(f"{adjacency}:{operations}")
        assert isomorphism_hash(space.cell(choices), OPERATIONS) == key
        assert space.notation(choices) == f"{adjacency}:{operations}"
    forms = {space.canonical(space.parse(f"{adjacency}:{operations}")) for adjacency, operations, _ in rows}
    assert len(forms) == (91 if name == "ecnas_4v" else 2532)


def test_101_pruning() -> None:
    edges = {(0, 1), (1, 5), (0, 2), (3, 5), (3, 4), (4, 5)}
    graph = CellGraph((C3, C1, POOL, C3), frozenset(edges))
    assert prune(graph) == CellGraph((C3,), frozenset({(0, 1), (1, 2)}))


@pytest.mark.parametrize(
    ("edges", "inner", "channels"),
    [
        # three share 128; the first two have one more
        ({(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)}, 3, (64, 43, 43, 42, 128)),
        # an inner node that does not feed the output has the most of its successors
        ({(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)}, 3, (64, 64, 64, 64, 128)),
        ({(0, 1), (1, 4), (0, 2), (2, 4), (0, 3), (3, 5), (4, 6), (5, 6), (1, 6)}, 5, (64, 43, 43, 42, 43, 42, 128)),
        # the edge from input to output takes no channels
        ({(0, 2), (0, 1), (1, 2)}, 1, (64, 128, 128)),
        ({(0, 1)}, 0, (64, 128)),
    ],
)
def test_101_channels(edges: set[tuple[int, int]], inner: int, channels: tuple[int, ...]) -> None:
    assert node_channels(CellGraph((C3,) * inner, frozenset(edges)), 64, 128) == channels


def test_101_rules() -> None:
    space = NasBench101Space()
    assert len(space.decisions) == 26
    assert size(space) == 2**21 * 3**5
    wire = space.parse("0100:input,output")
    assert space.cell(wire) == CellGraph((), frozenset({(0, 1)}))
    with pytest.raises(ArchitectureError, match="way from input to output"):
        space.parse("000000000:input,maxpool3x3,output")
    many = CellGraph((C3,) * 5, frozenset(space.pairs[:9]) | {(0, 6)})
    assert len(many.edges) == 10
    assert not space.legal(space.choices(many))
    assert NasBench101Space(NasBench101Settings(edges=10)).legal(space.choices(many))


@pytest.mark.parametrize(
    "text",
    [
        "0100", "0100:input", "010:input,output", "0110:input,output", "1100:input,output", "0200:input,output",
        "010001000:input,conv5x5,output", "010001000:output,maxpool3x3,input",
        "0" * 64 + ":input," + "x," * 6 + "output",
        "01000000 0000000000000000000000000000000000000000000000000000000:input,output",
    ],
)  # fmt: skip
def test_101_texts_refused(text: str) -> None:
    with pytest.raises(ArchitectureError):
        NasBench101Space().parse(text)


def test_101_too_many_nodes() -> None:
    small = NasBench101Space(NasBench101Settings(vertices=3))
    with pytest.raises(ArchitectureError, match="3 nodes at most"):
        small.parse("0100001000010000:input,maxpool3x3,maxpool3x3,output")
    with pytest.raises(UsageError, match="channels must be at least 5"):
        NasBench101Settings(channels=4)
