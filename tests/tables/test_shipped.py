"""The table that comes with the package."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from chronas.benchmarks import BENCHMARKS, SHIPPED, Table, import_table, load
from chronas.benchmarks.testing_door import test_accuracy as accuracy_in_test
from chronas.benchmarks.testing_door import test_optimum as optimum_in_test
from chronas.errors import TableError, UnknownNameError
from chronas.execution.scores import shipped_scores
from chronas.proxies.ranks import kendall_tau
from chronas.spaces.moves import unrank


@pytest.fixture(scope="module")
def table() -> Table:
    return load("nasbench201")


def test_published_best_values(table: Table) -> None:
    """NAS-Bench-201 table 5 (optimal): 94.37, 73.51, 47.31, and 91.61 in validation."""
    assert len(table) == 15_625
    best = {dataset: round(optimum_in_test(table, dataset).accuracy, 2) for dataset in table.datasets}
    assert best == {"cifar10": 94.37, "cifar100": 73.51, "imagenet16": 47.31}
    assert round(table.optimum("cifar10", 200).accuracy, 2) == 91.61
    assert table.optimum("cifar10") == table.optimum("cifar10", 200)


def test_scores_that_come_with_it(table: Table) -> None:
    """Three seeds by naswot; the paper's tau on CIFAR-10 is 0.57, of validation accuracy."""
    [(proxy, scores)] = shipped_scores(table).items()
    assert proxy == "naswot"
    assert scores.values.shape == (15_625, 3)
    assert 0.05 < scores.seconds < 1.0
    known = np.isfinite(scores.values)
    assert known.sum(axis=0).tolist() == [15_284] * 3  # the others are constant
    accuracy = np.asarray(table.validation_column("cifar10", 200), dtype=np.float64)
    for seed in range(3):
        rows = np.flatnonzero(known[:, seed])[::25]
        assert 0.5 < kendall_tau(scores.values[rows, seed], accuracy[rows]) < 0.65


def test_one_row_in_full(table: Table) -> None:
    """The first architecture of the benchmark, whose complete record is public."""
    choices = table.space.parse(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    assert table.index(choices) == 0
    row = table.validation("cifar10", choices, 12)
    assert row.val_accuracy == pytest.approx((62.712 + 64.016) / 2, abs=1e-4)
    assert row.seconds == pytest.approx(89.202, rel=0.005)
    assert table.validation("cifar10", choices, 200).val_accuracy == pytest.approx(81.982667, abs=1e-4)
    assert table.validation("cifar10", choices, 200).seconds == pytest.approx(1446.768, rel=0.005)
    assert table.validation("cifar100", choices, 12).seconds == pytest.approx(24 * 7.221093 + 2.548979 / 5, rel=0.005)
    assert accuracy_in_test(table, "cifar10", choices, 200) == pytest.approx(85.863333, abs=1e-4)
    assert (table.columns["params"][0], table.columns["flops"][0]) == (129_306, 15_647_370)


def test_prices_are_those_of_the_official_interface(table: Table) -> None:
    prices = table.seconds_column("cifar10", 12)
    assert prices is not None
    assert np.median(prices) == pytest.approx(112.4, abs=0.1)
    assert (prices.min(), prices.max()) == (pytest.approx(30.4, abs=0.1), pytest.approx(212.9, abs=0.1))


def test_every_architecture_is_found(table: Table) -> None:
    rows = [table.index(unrank(table.space, number)) for number in range(len(table))]
    assert sorted(rows) == list(range(len(table)))
    assert all(table.choices(rows[number]) == unrank(table.space, number) for number in range(0, 15_625, 97))


def test_classes_of_equal_function(table: Table) -> None:
    """6,466 by the benchmark's own key, and the space's canonical form agrees with it."""
    groups = table.columns["iso_index"]
    assert len(np.unique(groups)) == 6_466
    canonical = [table.index(table.space.canonical(table.choices(row))) for row in range(0, len(table), 13)]
    assert all(groups[row] == groups[other] for row, other in zip(range(0, len(table), 13), canonical, strict=True))


def test_what_is_missing_is_said(table: Table) -> None:
    choices = table.choices(5)
    with pytest.raises(TableError, match=r"no validation metric on cifar100 at 200 epochs; it has it at 12 epochs"):
        table.validation("cifar100", choices, 200)
    with pytest.raises(TableError, match=r"no data set 'mnist'; it has cifar10, cifar100, imagenet16"):
        table.validation("mnist", choices, 12)
    with pytest.raises(TableError, match="no test metric on cifar10 at 90 epochs"):
        accuracy_in_test(table, "cifar10", choices, 90)


def test_fidelities(table: Table) -> None:
    assert table.epochs == (12, 200)
    assert table.epochs_of("imagenet16") == (12,)
    assert [table.nearest_epochs("cifar10", level) for level in (0.01, 0.3, 0.6, 1.0)] == [12, 12, 200, 200]


def test_methods_see_no_test_metric(table: Table) -> None:
    assert table.columns["cifar10_val_12"].shape == (15_625,)
    assert "cifar10_test_200" not in table.columns
    assert not [name for name in table.columns if "test" in name]
    assert not [name for name in dir(table) if "test" in name and not name.startswith("_")]
    with pytest.raises(KeyError):
        table.columns["cifar10_test_200"]


def test_test_metrics_of_many_rows(table: Table) -> None:
    rows = np.asarray([0, 6111, 3])
    found = accuracy_in_test(table, "cifar10", rows)
    assert found.tolist() == [accuracy_in_test(table, "cifar10", table.choices(int(row)), 200) for row in rows]


def test_columns_cannot_be_written(table: Table) -> None:
    with pytest.raises(ValueError, match="read-only"):
        table.columns["cifar10_val_12"][0] = 100.0


def test_travels_to_other_processes(table: Table) -> None:
    other = pickle.loads(pickle.dumps(table))
    assert other.validation("cifar10", table.choices(9), 12) == table.validation("cifar10", table.choices(9), 12)


def test_description_names_source_licence_and_caveats(table: Table) -> None:
    text = table.describe()
    for words in (
        "15625",
        "MIT",
        "D-X-Y/NATS-Bench",
        "Means over seeds",
        "validation at 12, 200 epochs",
        "200 epochs exists only",
    ):
        assert words in text


def test_small_and_shipped(table: Table) -> None:
    assert table.path.parent == SHIPPED
    assert table.path.stat().st_size < 1_500_000
    assert [entry.name for entry in BENCHMARKS if "file" not in entry.needs] == ["nasbench201"]


def test_rebuilding_gives_the_same_bytes(shared_data: Path, tmp_path: Path, table: Table) -> None:
    pytest.importorskip("pyarrow")
    made = import_table("nasbench201", shared_data / "nasbench201" / "nasbench201.parquet", tmp_path / "again.table")
    assert made.path.read_bytes() == table.path.read_bytes()


def test_names_that_are_no_table() -> None:
    with pytest.raises(TableError, match=r"chronas import-table natsbench_sss SOURCE --out natsbench_sss\.table"):
        load("natsbench_sss")
    with pytest.raises(UnknownNameError, match="Did you mean 'nasbench201'"):
        load("nasbench21")
    with pytest.raises(TableError, match=r"There is no table file .*mine\.table"):
        load("mine.table")
