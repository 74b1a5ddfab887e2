"""TransNAS-Bench-101: the published names of all architectures."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronas.errors import ArchitectureError
from chronas.spaces.moves import enumerate_all
from chronas.spaces.transnas import TransNasMacroSpace, TransNasMicroSpace, TransNasSettings
from chronas.task import Task

MICRO, MACRO = TransNasMicroSpace(), TransNasMacroSpace()


def test_sizes() -> None:
    assert len(set(enumerate_all(MICRO))) == 4096
    assert len(set(enumerate_all(MACRO))) == 3256


@pytest.mark.parametrize(
    ("space", "text", "table"),
    [
        (MICRO, "64-41414-1_02_333", "1,0,2,3,3,3"),
        (MACRO, "64-1234-basic", "1,2,3,4"),
        (MACRO, "64-111114-basic", "1,1,1,1,1,4"),
        (MACRO, "64-4443-basic", "4,4,4,3"),
    ],
)
def test_notations(space: TransNasMicroSpace | TransNasMacroSpace, text: str, table: str) -> None:
    choices = space.parse(text)
    assert space.notation(choices) == text
    assert space.parse(table) == choices


@pytest.mark.parametrize("name", ["micro", "macro"])
def test_the_table_holds_every_architecture(name: str, shared_data: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading the table needs pyarrow")
    space = MICRO if name == "micro" else MACRO
    texts = parquet.read_table(shared_data / "transnasbench101" / f"{name}.parquet", columns=["arch"]).to_pydict()
    assert {space.parse(text) for text in texts["arch"]} == set(enumerate_all(space))


@pytest.mark.parametrize("text", ["64-1111-basic", "64-2222-basic", "32-1114-basic", "64-114-basic", "1,1,4", "64-"])
def test_no_macro_architectures(text: str) -> None:
    with pytest.raises(ArchitectureError):
        MACRO.parse(text)


def test_micro_parts_without_effect() -> None:
    assert MICRO.canonical((3, 0, 0, 2, 0, 1)) == (0, 0, 0, 2, 0, 1)
    assert MICRO.canonical((3, 0, 0, 2, 1, 1)) == (3, 0, 0, 2, 1, 1)
    assert len({MICRO.canonical(choices) for choices in enumerate_all(MICRO)}) == 2980


def test_layout() -> None:
    plan = TransNasMicroSpace(TransNasSettings(width=64)).layout((3,) * 6, Task(3, 256, 256, 75))
    assert plan.halvings == 2
    assert [block.stride for block in plan.blocks] == [2, 1, 1, 1, 2, 1, 1, 1, 2, 1]
    assert (plan.blocks[0].height, plan.blocks[-1].height, plan.blocks[-1].channels_out) == (64, 8, 512)
    assert TransNasMicroSpace().layout((3,) * 6, Task(3, 32, 32, 10)).halvings == 0
