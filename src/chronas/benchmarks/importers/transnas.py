"""TransNAS-Bench-101: seven Taskonomy tasks for 4,096 cells (micro) and 3,256 networks (macro)."""

from __future__ import annotations

from pathlib import Path

from chronas.architecture import make_space
from chronas.benchmarks.contents import Contents, Facts, choices_array, measured
from chronas.benchmarks.importers.parquet import Rows, expect_rows, only_file

TASKS = ("class_object", "class_scene", "jigsaw", "room_layout", "segmentsemantic", "normal", "autoencoder")
EPOCHS = {"class_object": 25, "class_scene": 25, "jigsaw": 10, "room_layout": 25, "segmentsemantic": 30, "normal": 30,
          "autoencoder": 30}  # fmt: skip
UNITS = {
    "class_object": "top-1 accuracy in percent", "class_scene": "top-1 accuracy in percent",
    "jigsaw": "top-1 accuracy in percent", "room_layout": "negative loss",
    "segmentsemantic": "pixel accuracy in percent", "normal": "SSIM", "autoencoder": "SSIM",
}  # fmt: skip


def read_micro(source: Path, partial: bool) -> Contents:
    """The contents of micro.parquet. Raises TableError, or EnvironmentFault without pyarrow."""
    return _read(source, "micro", 4_096, partial)


def read_macro(source: Path, partial: bool) -> Contents:
    """The contents of macro.parquet. Raises TableError, or EnvironmentFault without pyarrow."""
    return _read(source, "macro", 3_256, partial)


def _read(source: Path, part: str, expected: int, partial: bool) -> Contents:
    file = only_file(source, f"{part}.parquet")
    rows = Rows(file, ["arch"], [f"{task}_val" for task in TASKS])
    expect_rows(rows.count, expected, file, partial)
    name = f"transnas_{part}"
    space = make_space(name)
    facts = Facts(
        title=f"TransNAS-Bench-101, {part}: {expected:,} architectures on seven tasks of Taskonomy",
        paper="Duan et al. 2021 (arXiv 2105.11871)",
        licence="Apache-2.0 (as published by automl/NASLib)",
        source="automl/NASLib, result archives",
        seeds="one training each",
        caveats=(
            "Validation metrics only; higher is better everywhere, but only four of the tasks are accuracies.",
            "No training times, so a budget in simulated seconds is not possible.",
        ),
        units=UNITS,
    )
    columns = tuple(measured("validation", task, EPOCHS[task], rows.numbers(f"{task}_val")) for task in TASKS)
    choices = choices_array([space.parse(text) for text in rows.text("arch")], str(file))
    return Contents(name, name, {}, TASKS, facts, choices, columns)
