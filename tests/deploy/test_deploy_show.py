"""The table's totals are the counted cost, and the picture shows kernels of their size."""

from __future__ import annotations

import pytest
from sample_bundle import OPTIONS, architecture, residual

from chronas.architecture import Architecture, make_space
from chronas.deploy.show import HEADER, describe, draw_text, rows
from chronas.nets import build, cost
from chronas.task import Task


@pytest.mark.parametrize(
    ("settings", "choices", "task"),
    [
        (OPTIONS, (0, 3, 2), Task(3, 9, 9, 3)),
        ({"layers": 5, "width": 3, "m": 5, "reductions": 2}, (0, 6, 12, 18, 24), Task(1, 31, 17, 2)),
        ({"layers": 1, "width": 3, "m": 2}, (3,), Task(3, 100, 130, 7)),
    ],
)
def test_totals_are_the_cost(settings: dict[str, object], choices: tuple[int, ...], task: Task) -> None:
    found = architecture(settings, choices)
    table = describe(found, task)
    counted = cost(found, task)
    assert table[-1] == ("total", "", "", f"{counted.params:,}", f"{counted.madds:,}")
    assert all(len(line) == len(HEADER) for line in table)
    assert sum(row.params for row in rows(found, task)) == counted.params
    assert counted.params == sum(value.numel() for value in build(found, task).parameters())


def test_rows_name_the_layers_in_their_order() -> None:
    table = describe(architecture(OPTIONS, (0, 1, 2)), Task(3, 9, 9, 3))
    assert [line[0] for line in table] == [
        "stem", "layer 1", "layer 2", "reduction before layer 3", "layer 3", "head", "total"]  # fmt: skip
    assert table[1][1:3] == ("3x3 max pool", "4x9x9")
    assert table[4][1:] == ("5x5 separable convolution", "8x5x5", "280", "6,600")
    assert table[5][2] == "3"


def test_a_dozen_layers_run_in_order() -> None:
    found = Architecture(make_space("superkernel", {"layers": 12, "width": 2, "m": 2}), (0, 1, 2, 3) * 3)
    names = [row.name for row in rows(found, Task(3, 32, 32, 10)) if row.name.startswith("layer")]
    assert names == [f"layer {number}" for number in range(1, 13)]


def test_another_space() -> None:
    bundle = residual()
    found = rows(bundle.architecture, bundle.task)
    counted = cost(bundle.architecture, bundle.task)
    assert (sum(row.params for row in found), sum(row.madds for row in found)) == (
        counted.params,
        counted.madds,
    )
    assert (found[0].name, found[1].name, found[-1].name) == ("stem", "blocks 1", "head")
    assert "[width: 6]" in draw_text(bundle.architecture, 40)


def test_the_picture() -> None:
    assert draw_text(architecture(OPTIONS, (0, 3, 4))) == (
        "▲ ▲ ▲              ▲ ▲\n"
        "▲ ▲ ▲  → ○ ○ ○  →  ▲ ▲\n"
        "▲ ▲ ▲    ○ ○ ○     ▲ ▲\n"
        "                   ▲ ▲\n"
        "max3x3   avg2x3   max4x2\n\n"
        "▲ max pool   ○ average pool"
    )


def test_the_picture_wraps() -> None:
    found = Architecture(make_space("superkernel", {"layers": 9, "m": 9}), (80,) * 9)
    lines = draw_text(found, 70).splitlines()
    assert max(map(len, lines)) <= 70
    assert sum(line.count("9x9") for line in lines) == 9
    assert sum(line.count("□") for line in lines) == 9 * 81 + 1
