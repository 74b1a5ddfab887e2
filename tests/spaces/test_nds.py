"""The NDS cell spaces: sizes as published, genotypes in and out, which parts are alive."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from chronas.architecture import make_space
from chronas.errors import ArchitectureError, UsageError
from chronas.spaces.cell_ops import CellOp, parse_cell_op, separable
from chronas.spaces.cells import plan_cells
from chronas.spaces.genotype import read_genotype
from chronas.spaces.moves import size
from chronas.spaces.nds import DartsSpace, EnasSpace, NasNetSpace, NdsSettings, NdsSpace
from chronas.task import Task

DARTS_V2: dict[str, Any] = {
    "normal": [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
               ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)],
    "normal_concat": [2, 3, 4, 5],
    "reduce": [("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
               ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)],
    "reduce_concat": [2, 3, 4, 5],
}  # fmt: skip
TEXT = (
    "width=36/depth=20/normal=sep_conv_3x3~0+sep_conv_3x3~1|sep_conv_3x3~0+sep_conv_3x3~1|"
    "sep_conv_3x3~1+skip_connect~0|skip_connect~0+dil_conv_3x3~2/reduce=max_pool_3x3~0+max_pool_3x3~1|"
    "skip_connect~2+max_pool_3x3~1|max_pool_3x3~0+skip_connect~2|skip_connect~2+max_pool_3x3~1"
)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("nds_nasnet", 71_465_842),
        ("nds_amoebanet", 556_628),
        ("nds_pnas", 556_628),
        ("nds_enas", 5_063),
        ("nds_darts", 242),
    ],
)
def test_number_of_cells_in_billions(name: str, cells: int) -> None:
    """Table 2 of Radosavovic et al. 2019."""
    total = size(make_space(name, {"widths": [16], "depths": [8]}))
    assert math.floor(total**0.5 / 1e9 + 0.5) == cells


def test_a_published_genotype_in_and_out() -> None:
    space = DartsSpace(NdsSettings(widths=(36,), depths=(20,)))
    genotype = read_genotype(DARTS_V2)
    choices = space.from_genotype(genotype, 36, 20)
    assert space.notation(choices) == TEXT
    assert space.parse(TEXT) == choices
    assert space.genotype(choices) == genotype
    assert read_genotype(genotype.to_json()) == genotype


def test_all_published_genotypes_are_read(shared_data: Any) -> None:
    data = json.loads((shared_data / "darts_genotypes" / "genotypes.json").read_text())["genotypes"]
    spaces: dict[str, type[NdsSpace]] = {"NASNet": NasNetSpace, "DARTS_V1": DartsSpace, "PDARTS": DartsSpace}
    for name, entry in data.items():
        genotype = read_genotype(entry)
        assert read_genotype(json.loads(json.dumps(genotype.to_json()))) == genotype
        if name in spaces:
            space = spaces[name](NdsSettings(widths=(36,), depths=(20,)))
            choices = space.from_genotype(genotype, 36, 20)
            assert space.genotype(choices) == genotype
            assert space.parse(space.notation(choices)) == choices


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normal": None}, "needs the list 'normal'"),
        ({"normal": []}, "two edges for each node"),
        ({"normal": DARTS_V2["normal"][:3]}, "two edges for each node"),
        ({"normal": [("skip_connect", 2), *DARTS_V2["normal"][1:]]}, "states 0 to 1"),
        ({"normal": [("skip_connect", True), *DARTS_V2["normal"][1:]]}, "whole number"),
        ({"normal": [("rm", 0), *DARTS_V2["normal"][1:]]}, "no operation of a cell"),
        ({"normal": [{"op": "sep_conv", "kernel": 4, "input": 0}, *DARTS_V2["normal"][1:]]}, "no operation"),
        ({"normal": ["skip_connect", *DARTS_V2["normal"][1:]]}, "is a pair"),
        ({"reduce_concat": [1, 2]}, "are 2 to 5"),
        ({"reduce_concat": [2, 2]}, "different nodes"),
    ],
)
def test_wrong_genotypes(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchitectureError, match=words):
        read_genotype({**DARTS_V2, **changes})


def test_genotypes_of_another_space() -> None:
    genotype = read_genotype(DARTS_V2)
    with pytest.raises(ArchitectureError, match="has 5 nodes"):
        EnasSpace().from_genotype(genotype, 16, 8)
    with pytest.raises(ArchitectureError, match="'width' cannot be '36'"):
        DartsSpace().from_genotype(genotype, 36, 8)
    with pytest.raises(ArchitectureError, match="must give out nodes"):
        DartsSpace().from_genotype(read_genotype({**DARTS_V2, "normal_concat": [4, 5]}), 16, 8)


@pytest.mark.parametrize(
    "text",
    [
        "width=36/depth=20",
        TEXT.replace("|", "+"),
        TEXT.replace("~0", "~9"),
        TEXT.replace("sep_conv_3x3", "sep_conv_9x9"),
        TEXT.replace("20", "99999"),
    ],
)
def test_wrong_texts(text: str) -> None:
    with pytest.raises(ArchitectureError):
        DartsSpace(NdsSettings(widths=(36,), depths=(20,))).parse(text)


def test_the_edges_of_a_node_have_no_order() -> None:
    space = DartsSpace(NdsSettings(widths=(36,), depths=(20,)))
    choices = space.parse(TEXT)
    swapped = (*choices[2:4], *choices[:2], *choices[4:])
    assert swapped != choices
    assert space.canonical(swapped) == space.canonical(choices)
    assert space.canonical(choices) != space.canonical((*choices[:-3], 0, *choices[-2:]))


def test_none_reads_anything() -> None:
    space = DartsSpace()
    choices = space.parse(TEXT.replace("36", "16").replace("depth=20", "depth=8"))
    one, other = ((0, 4, state, 0, *choices[4:]) for state in (0, 1))
    assert space.canonical(one) == space.canonical(other)
    assert space.genotype(one).normal.live() == frozenset(range(6))


def test_parts_that_cannot_reach_the_output_are_left_out() -> None:
    """A normal cell that reads only its older input: every second cell is dead."""
    edges = [("sep_conv_3x3", 0), ("skip_connect", 0), ("sep_conv_3x3", 2), ("none", 1)]
    genotype = read_genotype({"normal": edges, "normal_concat": [3], "reduce": edges, "reduce_concat": [3]})
    plan = plan_cells(genotype, 8, 4, Task(3, 32, 32, 10))
    assert [sorted(cell.live) for cell in plan.cells] == [[], [0, 2, 3], [], [0, 2, 3]]
    assert plan.stem_live == (False, True)
    published = plan_cells(genotype, 8, 4, Task(3, 32, 32, 10), dead_parts=True)
    assert [sorted(cell.live) for cell in published.cells] == [[0, 1, 2, 3]] * 4


def test_layout() -> None:
    plan = plan_cells(read_genotype(DARTS_V2), 36, 20, Task(3, 32, 32, 10))
    assert [place for place, cell in enumerate(plan.cells) if cell.reduce] == [6, 13]
    assert [plan.cells[place].channels for place in (5, 6, 13)] == [36, 72, 144]
    assert (plan.cells[-1].out_size, plan.cells[-1].outputs, plan.stem) == ((8, 8), 576, 108)
    assert [place for place, cell in enumerate(plan.cells) if cell.shrink] == [7, 14]
    large = plan_cells(read_genotype(DARTS_V2), 48, 14, Task(3, 224, 224, 1000))
    assert (large.large, large.stem, large.cells[0].shrink, large.cells[0].height) == (True, 48, True, 28)


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("none", CellOp("none")),
        ("skip_connect", CellOp("skip")),
        ("max_pool_7x7", CellOp("max", 7)),
        ("conv_1x1", CellOp("conv", 1)),
        ("conv_7x1_1x7", CellOp("split", 7)),
        ("sep_conv_5x5", CellOp("sep", 5, 1, (1,))),
        ("dil_conv_3x3", CellOp("sep", 3, 2, ())),
        ("dil_sep_conv_3x3", CellOp("sep", 3, 2, (1,))),
        ("morph_3x3_d1", CellOp("sep", 3, 1, ())),
        ("morph_5x5_d2_w3.1", CellOp("sep", 5, 2, (3, 1))),
    ],
)
def test_names_of_operations(name: str, op: CellOp) -> None:
    assert parse_cell_op(name) == op
    assert op.name == name


@pytest.mark.parametrize("name", ["", "sep_conv", "max_pool_2x2", "sep_conv_3x5", "morph_3x3_d0", "morph_3x3_d1_w0"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ArchitectureError, match="no operation of a cell"):
        parse_cell_op(name)
    with pytest.raises(ArchitectureError):
        separable(3, 1, [1] * 20)


def test_settings() -> None:
    for wrong in ({"widths": ()}, {"widths": (1,)}, {"depths": (0,)}, {"depths": (4, 4)}):
        with pytest.raises(UsageError, match="must be different numbers"):
            NdsSettings(**wrong)
