"""EC-NAS: all cells of the NAS-Bench-101 space with at most 4 (or 5) nodes, trained again and with energy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chronas.benchmarks.contents import Column, Contents, Facts, info, mean_by, measured
from chronas.benchmarks.importers.cells101 import SPACE, read_cells
from chronas.benchmarks.importers.parquet import Rows, expect_rows, only_file

NUMBERS = ("budget_epochs", "params", "final_train_s", "final_val_acc", "final_test_acc", "final_energy_kwh")


def read_4v(source: Path, partial: bool) -> Contents:
    """91 cells at 4, 12, 36 and 108 epochs, three trainings each. Raises TableError or EnvironmentFault."""
    seeds = "means over three trainings"
    return _read(only_file(source, "ecnas_4v.parquet"), "ecnas_4v", 1_092, partial, seeds)


def read_5v(source: Path, partial: bool) -> Contents:
    """2,532 cells at 4 epochs, one training each. Raises TableError or EnvironmentFault."""
    return _read(only_file(source, "ecnas_5v_4epochs.parquet"), "ecnas_5v", 2_532, partial, "one training each")


def _read(file: Path, name: str, expected: int, partial: bool, seeds: str) -> Contents:
    rows = Rows(file, ["adjacency", "operations"], NUMBERS)
    expect_rows(rows.count, expected, file, partial)
    cells = read_cells(rows.texts("adjacency", "operations"), str(file))  # type: ignore[arg-type]
    budgets = rows.numbers("budget_epochs").astype(int)
    columns: list[Column] = []
    for epochs in sorted(set(budgets.tolist())):
        at = budgets == epochs
        mean = {key: mean_by(cells.of_row[at], cells.count, rows.numbers(f"final_{key}")[at])
                for key in ("val_acc", "test_acc", "train_s", "energy_kwh")}  # fmt: skip
        columns += [
            measured("validation", "cifar10", epochs, mean["val_acc"]),
            measured("test", "cifar10", epochs, mean["test_acc"]),
            measured("seconds", "cifar10", epochs, mean["train_s"]),
            info(f"energy_kwh_{epochs}", mean["energy_kwh"], np.float32),
        ]
    columns.append(info("params", cells.first(rows.numbers("params"))))
    facts = Facts(
        title=f"EC-NAS, {cells.count:,} cells of the NAS-Bench-101 space, trained again with energy measured",
        paper="Bakhtiarifard et al. 2022, EC-NAS: Energy Consumption Aware Tabular Benchmarks (arXiv 2210.06015)",
        licence="MIT",
        source="PedramBakh/EC-NAS-Bench, raghavian/surrogate-ec-nasbench",
        seeds=seeds,
        caveats=(
            "New trainings in the space of NAS-Bench-101, not the original numbers.",
            "Seconds are those of training on a Quadro RTX 6000, without evaluation.",
        ),
    )
    return Contents(name, SPACE, {}, ("cifar10",), facts, cells.choices, tuple(columns))
