"""500 graphs of NAS-Bench-101 with their accuracy after 108 epochs, as published by NASLib."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chronas.benchmarks.contents import Contents, Facts, info, mean_by, measured
from chronas.benchmarks.importers.cells101 import SPACE, read_cells
from chronas.benchmarks.importers.parquet import Rows, expect_rows, only_file

FACTS = Facts(
    title="a sample of NAS-Bench-101: 500 random graphs, 292 different cells, after 108 epochs",
    paper="Ying et al. 2019 (arXiv 1902.09635); Krishnakumar et al. 2022 (arXiv 2210.03230)",
    licence="Apache-2.0",
    source="automl/NASLib",
    seeds="one training; means where several graphs of the sample are the same cell",
    caveats=(
        "Validation accuracy only, and no times.",
        "The sample was drawn before pruning, so small cells are over-represented.",
        "Repeats of one cell differ by up to 1.4 points.",
    ),
)


def read(source: Path, partial: bool) -> Contents:
    """The contents of nasbench101_500.parquet. Raises TableError, or EnvironmentFault without pyarrow."""
    file = only_file(source, "nasbench101_500.parquet")
    rows = Rows(file, ["adjacency", "operations"], ["accuracy_108", "params", "flops_m"])
    expect_rows(rows.count, 500, file, partial)
    cells = read_cells(rows.texts("adjacency", "operations"), str(file))  # type: ignore[arg-type]
    columns = (
        measured("validation", "cifar10", 108, mean_by(cells.of_row, cells.count, rows.numbers("accuracy_108"))),
        info("graphs", np.bincount(cells.of_row, minlength=cells.count), np.uint16),
        info("params", cells.first(rows.numbers("params"))),
        info("flops", np.rint(cells.first(rows.numbers("flops_m")) * 1e6)),
    )
    return Contents("nasbench101_sample", SPACE, {}, ("cifar10",), FACTS, cells.choices, columns)
