"""NAS-Bench-Macro: parameters and multiply-adds of the published table."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronas import nets
from chronas.architecture import Architecture
from chronas.spaces.moves import enumerate_all
from chronas.spaces.nasbench_macro import NasBenchMacroSpace
from chronas.task import Task

CIFAR = Task(3, 32, 32, 10)
SPACE = NasBenchMacroSpace()


@pytest.mark.parametrize(
    ("text", "params", "flops"),
    [
        ("00000000", 387_882, 7_713_280),
        ("20000000", 409_834, 17_854_976),
        ("00000010", 791_594, 14_115_328),
        ("11111111", 1_588_874, 53_246_464),
        ("22222222", 2_932_586, 105_660_928),
    ],
)
def test_known_rows(text: str, params: int, flops: int) -> None:
    counted = nets.cost(Architecture(SPACE, SPACE.parse(text)), CIFAR)
    assert (counted.params, counted.madds) == (params, flops)


def test_all_rows(shared_data: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading the table needs pyarrow")
    table = parquet.read_table(shared_data / "nasbench_macro" / "nasbench_macro.parquet").to_pydict()
    assert len(table["arch"]) == 6561
    for text, params, flops in zip(table["arch"], table["params"], table["flops"], strict=True):
        counted = nets.cost(Architecture(SPACE, SPACE.parse(text)), CIFAR)
        assert (counted.params, counted.madds) == (params, flops), text


def test_identities_go_to_the_end_of_their_stage() -> None:
    assert SPACE.notation(SPACE.canonical(SPACE.parse("00102001"))) == "00120010"
    assert len({SPACE.canonical(choices) for choices in enumerate_all(SPACE)}) == 3969
