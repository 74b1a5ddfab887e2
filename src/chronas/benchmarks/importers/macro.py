"""NAS-Bench-Macro: all 6,561 chains of eight layers on CIFAR-10, three full trainings each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chronas.architecture import make_space
from chronas.benchmarks.contents import Contents, Facts, choices_array, info, measured
from chronas.benchmarks.importers.parquet import Rows, expect_rows, only_file

ROWS, EPOCHS = 6_561, 50
FACTS = Facts(
    title="NAS-Bench-Macro: all 3^8 = 6,561 networks of eight layers on CIFAR-10",
    paper="Su et al. 2021, Prioritized Architecture Sampling with Monto-Carlo Tree Search (arXiv 2103.11922)",
    licence="Apache-2.0",
    source="xiusu/NAS-Bench-Macro",
    seeds="means over three trainings; cifar10_test_std is their spread",
    caveats=(
        "It holds test accuracy only, so methods cannot search in it: it serves to judge scores in reports.",
        "Each accuracy is that of the best of 50 epochs on the test images.",
    ),
)


def read(source: Path, partial: bool) -> Contents:
    """The contents of nasbench_macro.parquet. Raises TableError, or EnvironmentFault without pyarrow."""
    file = only_file(source, "nasbench_macro.parquet")
    rows = Rows(file, ["arch"], ["test_acc_mean", "test_acc_std", "params", "flops"])
    expect_rows(rows.count, ROWS, file, partial)
    space = make_space("nasbench_macro")
    columns = (
        measured("test", "cifar10", EPOCHS, rows.numbers("test_acc_mean")),
        info("cifar10_test_std", rows.numbers("test_acc_std"), np.float32),
        info("params", rows.numbers("params")),
        info("flops", rows.numbers("flops")),
    )
    choices = choices_array([space.parse(text) for text in rows.text("arch")], str(file))
    return Contents("nasbench_macro", "nasbench_macro", {}, ("cifar10",), FACTS, choices, columns)
