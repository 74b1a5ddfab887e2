"""NAS-Bench-101's own TFRecord files: nasbench_only108.tfrecord and nasbench_full.tfrecord.

A record is a JSON list: hash of the cell, epochs, adjacency, operations, base64 of a `ModelMetrics` message.
"""

from __future__ import annotations

import base64
import json
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chronas.benchmarks.contents import Column, Contents, Facts, info, mean_by, measured
from chronas.benchmarks.importers.cells101 import SPACE, Cells, read_cells
from chronas.benchmarks.importers.parquet import expect_rows, only_file
from chronas.benchmarks.importers.protobuf import Metrics, model_metrics
from chronas.benchmarks.importers.tfrecord import records
from chronas.errors import TableError

ROWS = 423_624
HALFWAY, FINAL = 1, 2
"""Places among a training's three evaluations; the first is before training."""

FACTS = Facts(
    title="NAS-Bench-101: cells of at most 7 nodes and 9 edges on CIFAR-10",
    paper="Ying et al. 2019 (arXiv 1902.09635)",
    licence="Apache-2.0",
    source="google-research/nasbench",
    seeds="means over three trainings (cifar10_trainings_E says how many)",
    caveats=(
        "Means over trainings make a simulated search a little easier than one of them drawn at random, as the"
        " official interface does.",
        "Seconds are those of training on a TPU, as the official interface charges them; evaluation is not included.",
        "Metrics halfway through a training are not kept.",
    ),
)


@dataclass
class _Budget:
    """What the trainings of one length gave, one entry per record; packed, for there are five million."""

    row: array[int] = field(default_factory=lambda: array("q"))
    validation: array[float] = field(default_factory=lambda: array("d"))
    test: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))


def read(source: Path, partial: bool) -> Contents:
    """The contents of an official file. Raises TableError for a wrong, truncated or damaged one."""
    file = only_file(source, "nasbench_only108.tfrecord")
    if file.suffix == ".parquet":
        raise TableError(f"{file} is a Parquet file, not NAS-Bench-101's TFRecord file. Check KIND.")
    rows: dict[str, int] = {}
    pairs: list[tuple[str, str]] = []
    params: list[int] = []
    budgets: dict[int, _Budget] = {}
    for data in records(file):
        key, epochs, pair, metrics = _record(data, file)
        if key not in rows:
            rows[key] = len(rows)
            pairs.append(pair)
            params.append(metrics.params)
        _add(budgets.setdefault(epochs, _Budget()), rows[key], metrics)
    expect_rows(len(rows), ROWS, file, partial)
    cells = read_cells(pairs, str(file))
    columns = [column for epochs in sorted(budgets) for column in _columns(epochs, budgets[epochs], cells)]
    columns.append(info("params", cells.first(np.asarray(params, dtype=np.float64))))
    return Contents("nasbench101", SPACE, {}, ("cifar10",), FACTS, cells.choices, tuple(columns))


def _record(data: bytes, file: Path) -> tuple[str, int, tuple[str, str], Metrics]:
    try:
        key, epochs, adjacency, operations, raw = json.loads(data)
        metrics = model_metrics(base64.b64decode("".join(str(raw).split()), validate=True))
        if len(metrics.evaluations) <= FINAL:
            raise ValueError(f"{len(metrics.evaluations)} evaluations instead of 3")
        return str(key), int(epochs), (str(adjacency), str(operations)), metrics
    except (ValueError, TypeError) as error:
        raise TableError(
            f"{file} holds a record that is not NAS-Bench-101's ({error}). Check KIND and file."
        ) from error


def _add(budget: _Budget, row: int, metrics: Metrics) -> None:
    final = metrics.evaluations[FINAL]
    budget.row.append(row)
    budget.validation.append(100 * final.validation_accuracy)
    budget.test.append(100 * final.test_accuracy)
    budget.seconds.append(final.seconds)


def _columns(epochs: int, budget: _Budget, cells: Cells) -> list[Column]:
    of_cell: npt.NDArray[np.int64] = cells.of_row[np.asarray(budget.row, dtype=np.int64)]

    def mean(values: array[float]) -> npt.NDArray[np.float64]:
        return mean_by(of_cell, cells.count, np.asarray(values))

    return [
        measured("validation", "cifar10", epochs, mean(budget.validation)),
        measured("test", "cifar10", epochs, mean(budget.test)),
        measured("seconds", "cifar10", epochs, mean(budget.seconds)),
        info(f"cifar10_trainings_{epochs}", np.bincount(of_cell, minlength=cells.count), np.uint8),
    ]
